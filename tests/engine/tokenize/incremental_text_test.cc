// Streamed text: final, on code point boundaries, and in sum what decode gives, for every decoder.
#include "engine/tokenize/incremental_text.h"

#include <gtest/gtest.h>

#include <random>

#include "engine/tokenize/golden_files.h"
#include "engine/tokenize/utf8.h"

namespace tessera {
namespace {

class IncrementalTextTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto loaded = Tokenizer::load(golden_folder() / GetParam());
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    tokenizer_ = *std::move(loaded);
  }

  std::vector<int32_t> random_ids(size_t count) {
    std::vector<int32_t> ids;
    while (ids.size() < count)
      ids.push_back(static_cast<int32_t>(random_() % tokenizer_->vocab_size()));
    return ids;
  }

  std::unique_ptr<Tokenizer> tokenizer_;
  std::mt19937_64 random_{5};
};

TEST_P(IncrementalTextTest, DeltasAreWholeAndSumToTheDecodedText) {
  const std::vector<std::string> texts = read_list(golden_folder() / "texts.bin");
  for (size_t index = 0; index < texts.size(); index += 7) {
    const std::vector<int32_t> ids = tokenizer_->encode(texts[index]);
    IncrementalText stream(*tokenizer_, index % 2 == 0);
    std::string text;
    for (const int32_t id : ids) {
      const std::string delta = stream.append(id);
      ASSERT_TRUE(is_valid_utf8(delta)) << "text " << index;
      text += delta;
    }
    text += stream.flush();
    ASSERT_EQ(text, tokenizer_->decode(ids, index % 2 == 0)) << "text " << index;
  }
}

TEST_P(IncrementalTextTest, WhatIsReleasedStandsWhateverFollows) {
  for (int round = 0; round < 300; ++round) {
    std::vector<int32_t> ids = random_ids(1 + random_() % 12);
    IncrementalText stream(*tokenizer_, false);
    std::string released;
    for (const int32_t id : ids) released += stream.append(id);
    for (int tail = 0; tail < 4; ++tail) {
      std::vector<int32_t> longer = ids;
      for (const int32_t id : random_ids(random_() % 6)) longer.push_back(id);
      ASSERT_TRUE(tokenizer_->decode(longer, false).starts_with(released)) << released;
    }
  }
}

TEST_P(IncrementalTextTest, NegativeAndUnknownIdsAreLeftOut) {
  const std::vector<int32_t> ids = {-1, tokenizer_->vocab_size(), INT32_MAX, INT32_MIN};
  IncrementalText stream(*tokenizer_, false);
  std::string text;
  for (const int32_t id : ids) text += stream.append(id);
  EXPECT_EQ(text + stream.flush(), tokenizer_->decode({}, false));
}

INSTANTIATE_TEST_SUITE_P(All, IncrementalTextTest, testing::ValuesIn(golden_names()),
                         [](const auto& info) { return info.param; });

TEST(IncrementalText, ByteLevelTextIsHeldBackForUnfinishedCharactersOnly) {
  auto tokenizer = *Tokenizer::load(golden_folder() / "gpt2");
  for (const std::string& text : read_list(golden_folder() / "texts.bin")) {
    if (text.size() > 40) continue;
    std::vector<int32_t> seen;
    IncrementalText stream(*tokenizer, false);
    std::string released;
    for (const int32_t id : tokenizer->encode(text)) {
      seen.push_back(id);
      released += stream.append(id);
      const std::string decoded = tokenizer->decode(seen, false);
      if (!decoded.ends_with(kReplacementUtf8)) {
        ASSERT_EQ(released, decoded);
      }
    }
  }
}

TEST(IncrementalText, OneBadByteReplacesItsWholeRun) {
  auto tokenizer = *Tokenizer::load(golden_folder() / "llama2");
  const auto byte = [&](const char* name) { return *tokenizer->token_id(name); };
  IncrementalText stream(*tokenizer, true);
  EXPECT_EQ(stream.append(byte("<0xE4>")), "");
  EXPECT_EQ(stream.append(byte("<0xBD>")), "");
  EXPECT_EQ(stream.append(byte("<0xA0>")), "");  // a whole character, but the run goes on
  EXPECT_EQ(stream.append(byte("<0xFF>")), "");
  const std::string bad(kReplacementUtf8);
  EXPECT_EQ(stream.append(*tokenizer->token_id("a")), bad + bad + bad + bad + "a");
  EXPECT_EQ(stream.flush(), "");
}

}  // namespace
}  // namespace tessera
