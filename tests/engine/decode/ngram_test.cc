#include "engine/decode/proposers/ngram.h"

#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Ngram, ProposesWhatFollowedTheLongestSuffix) {
  Ngram ngram({.min_n = 2, .max_n = 3, .tokens = 3, .chains = 1});
  const std::vector<int32_t> context = {1, 2, 3, 4, 5, 9, 2, 3, 8, 1, 2, 3};
  const Draft draft = ngram.propose(context, 10, 10);
  EXPECT_THAT(draft.tokens, ElementsAre(4, 5, 9));
  EXPECT_THAT(draft.parents, ElementsAre(-1, 0, 1));
}

TEST(Ngram, MergesSeveralOccurrencesIntoATreeNewestFirst) {
  Ngram ngram({.min_n = 2, .max_n = 2, .tokens = 2, .chains = 2});
  const std::vector<int32_t> context = {1, 2, 3, 4, 1, 2, 3, 5, 7, 1, 2};
  const Draft draft = ngram.propose(context, 10, 10);
  EXPECT_THAT(draft.tokens, ElementsAre(3, 5, 4));
  EXPECT_THAT(draft.parents, ElementsAre(-1, 0, 0));
}

TEST(Ngram, NothingWithoutARepeat) {
  Ngram ngram({});
  EXPECT_THAT(ngram.propose(std::vector<int32_t>{1, 2, 3, 4}, 8, 8).tokens, IsEmpty());
  EXPECT_THAT(ngram.propose(std::vector<int32_t>{1}, 8, 8).tokens, IsEmpty());
}

TEST(Ngram, GrowingContextEqualsAFreshProposerAndKeepsItsLimits) {
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    const NgramParams params{.min_n = 1 + round % 3,
                             .max_n = 3 + round % 3,
                             .tokens = 1 + round % 9,
                             .chains = 1 + round % 4};
    Ngram growing(params);
    std::vector<int32_t> context;
    for (int length = 0; length < 80; ++length) {
      context.push_back(static_cast<int32_t>(random() % 4));
      const Draft draft = growing.propose(context, 6, 4);
      Ngram fresh(params);
      const Draft again = fresh.propose(context, 6, 4);
      ASSERT_EQ(draft.tokens, again.tokens);
      ASSERT_EQ(draft.parents, again.parents);
      ASSERT_LE(draft.tokens.size(), 6u);
      std::vector<int> depth(draft.tokens.size());
      for (size_t node = 0; node < draft.tokens.size(); ++node) {
        ASSERT_LT(draft.parents[node], static_cast<int32_t>(node));
        depth[node] = draft.parents[node] < 0 ? 1 : depth[draft.parents[node]] + 1;
        ASSERT_LE(depth[node], 4);
        for (size_t other = 0; other < node; ++other) {
          ASSERT_FALSE(draft.parents[other] == draft.parents[node] &&
                       draft.tokens[other] == draft.tokens[node]);
        }
      }
    }
  }
}

}  // namespace
}  // namespace tessera
