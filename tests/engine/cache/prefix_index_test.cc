#include "engine/cache/prefix_index.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace tessera {
namespace {

std::vector<int32_t> page_of(int32_t token) { return std::vector<int32_t>(kBlockTokens, token); }

TEST(PrefixIndex, FindsAPageOnlyAfterItsOwnParent) {
  PrefixIndex index(1);
  const EntryId a = index.insert(index.root(""), page_of(1));
  const EntryId b = index.insert(index.root("salt"), page_of(1));
  const EntryId c = index.insert(a, page_of(2));
  EXPECT_EQ(index.find(index.root(""), page_of(1)), a);
  EXPECT_EQ(index.find(index.root("salt"), page_of(1)), b);
  EXPECT_EQ(index.find(a, page_of(2)), c);
  EXPECT_EQ(index.find(b, page_of(2)), kNoEntry);
  EXPECT_EQ(index.find(index.root(""), page_of(2)), kNoEntry);
  EXPECT_EQ(index.parent(c), a);
}

TEST(PrefixIndex, EveryTokenOfAPageCounts) {
  PrefixIndex index(1);
  std::vector<int32_t> page = page_of(9);
  const EntryId entry = index.insert(index.root(""), page);
  for (int32_t& token : page) {
    token = 8;
    EXPECT_EQ(index.find(index.root(""), page), kNoEntry);
    token = 9;
  }
  EXPECT_EQ(index.find(index.root(""), page), entry);
}

TEST(PrefixIndex, ErasingTakesEverythingBelow) {
  PrefixIndex index(2);
  const EntryId a = index.insert(index.root(""), page_of(1));
  const EntryId b = index.insert(a, page_of(2));
  const EntryId c = index.insert(a, page_of(3));
  const EntryId other = index.insert(index.root(""), page_of(4));
  index.set_block(a, 0, 10);
  index.set_block(b, 0, 11);
  index.set_block(b, 1, 21);
  index.set_block(c, 1, 22);
  index.set_block(other, 0, 12);
  EXPECT_EQ(index.erase(a).size(), 4u);
  EXPECT_FALSE(index.contains(b) || index.contains(c));
  EXPECT_EQ(index.entry_of(1, 21), kNoEntry);
  EXPECT_EQ(index.find(index.root(""), page_of(4)), other);
  EXPECT_EQ(index.entries(), 1);
}

TEST(PrefixIndex, AnEntryWithoutBlocksLivesForThePagesBelowIt) {
  PrefixIndex index(1);
  const EntryId a = index.insert(index.root("x"), page_of(1));
  index.set_block(a, 0, 1);
  const EntryId b = index.insert(a, page_of(2));
  index.set_block(b, 0, 2);
  index.clear_block(0, 1);
  EXPECT_TRUE(index.contains(a));
  index.clear_block(0, 2);  // the last block of the whole chain
  EXPECT_EQ(index.entries(), 0);
  EXPECT_EQ(index.find_root("x"), kNoEntry);
}

// A map from (namespace, all tokens so far) to block says the same.
TEST(PrefixIndex, AgreesWithANaiveModel) {
  std::mt19937 random(11);
  for (int world = 0; world < 20; ++world) {
    PrefixIndex index(1);
    std::map<std::pair<std::string, std::vector<int32_t>>, BlockId> naive;
    BlockId next_block = 0;
    for (int step = 0; step < 600; ++step) {
      const std::string name_space = random() % 3 == 0 ? "salt" : "";
      EntryId entry = index.find_root(name_space);
      std::vector<int32_t> tokens;
      const int depth = 1 + random() % 4;
      for (int level = 0; level < depth; ++level) {
        const auto token = static_cast<int32_t>(random() % 2);
        tokens.push_back(token);
        EntryId found = entry == kNoEntry ? kNoEntry : index.find(entry, page_of(token));
        const auto known = naive.find({name_space, tokens});
        ASSERT_EQ(found != kNoEntry, known != naive.end());
        if (found == kNoEntry) {
          if (entry == kNoEntry) entry = index.root(name_space);
          found = index.insert(entry, page_of(token));
          index.set_block(found, 0, next_block);
          naive[{name_space, tokens}] = next_block++;
        } else {
          ASSERT_EQ(index.block(found, 0), known->second);
          ASSERT_EQ(index.entry_of(0, known->second), found);
        }
        entry = found;
      }
      if (random() % 3 != 0) continue;
      for (const PrefixIndex::BlockOf& gone : index.erase(entry)) {
        const auto named = std::find_if(naive.begin(), naive.end(), [&](const auto& each) {
          return each.second == gone.block;
        });
        ASSERT_NE(named, naive.end());
        naive.erase(named);
      }
      // Nothing that extends the erased prefix may be left.
      for (const auto& [key, block] : naive) {
        const bool extends = key.first == name_space && key.second.size() >= tokens.size() &&
                             std::equal(tokens.begin(), tokens.end(), key.second.begin());
        ASSERT_FALSE(extends);
      }
      ASSERT_EQ(index.entries(), static_cast<int64_t>(naive.size()));
      ASSERT_EQ(index.all_blocks().size(), naive.size());
    }
  }
}

}  // namespace
}  // namespace tessera
