// Every golden tokenizer against what the libraries answered: 21,000 hostile texts, byte strings
// that are no UTF-8, and random id sequences; no difference is allowed.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/tokenize/golden_files.h"
#include "engine/tokenize/incremental_text.h"
#include "engine/tokenize/tokenizer.h"

namespace tessera {
namespace {

uint32_t digest(const Tokenizer& tokenizer, const std::vector<int32_t>& ids,
                const std::vector<int32_t>& plain) {
  Crc32 crc;
  const uint32_t mark = 0xFFFFFFFFu;
  crc.add_ids(ids);
  crc.add_u32(mark);
  crc.add_ids(plain);
  crc.add_u32(mark);
  crc.add(tokenizer.decode(ids, false));
  crc.add_u32(mark);
  crc.add(tokenizer.decode(ids, true));
  return crc.value();
}

std::string streamed(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool skip) {
  IncrementalText stream(tokenizer, skip);
  std::string text;
  for (const int32_t id : ids) text += stream.append(id);
  return text + stream.flush();
}

class GoldenTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    auto loaded = Tokenizer::load(golden_folder() / GetParam());
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    tokenizer_ = *std::move(loaded);
    expected_ = file_bytes(golden_folder() / GetParam() / "expected.bin");
    texts_ = read_list(golden_folder() / "texts.bin");
    raw_ = read_list(golden_folder() / "bytes.bin");
    sequences_ = read_sequences();
    ASSERT_GE(texts_.size(), 20000u);
    ASSERT_EQ(expected_.size(), 4 * (texts_.size() + raw_.size() + sequences_.size()));
  }

  // 0 stands where the library has no answer.
  uint32_t expected(size_t index) const { return little_endian(expected_, 4 * index, 4); }

  std::unique_ptr<Tokenizer> tokenizer_;
  std::string expected_;
  std::vector<std::string> texts_, raw_;
  std::vector<std::vector<int>> sequences_;
};

TEST_P(GoldenTest, SpelledOutTexts) {
  const auto cases =
      nlohmann::json::parse(file_bytes(golden_folder() / GetParam() / "expected.json"));
  ASSERT_FALSE(cases.empty());
  for (const auto& item : cases) {
    const std::string text = item["text"];
    SCOPED_TRACE(item.dump());
    const std::vector<int32_t> ids = tokenizer_->encode(text);
    EXPECT_EQ(ids, item["ids"].get<std::vector<int32_t>>());
    const EncodeOptions plain{.add_special_tokens = false, .parse_special = false};
    EXPECT_EQ(tokenizer_->encode(text, plain), item["plain_ids"].get<std::vector<int32_t>>());
    EXPECT_EQ(tokenizer_->decode(ids, false), item["decoded"].get<std::string>());
    EXPECT_EQ(tokenizer_->decode(ids, true), item["decoded_without_special"].get<std::string>());
  }
}

TEST_P(GoldenTest, HostileTextsAndBytes) {
  std::vector<std::string> all = texts_;
  all.insert(all.end(), raw_.begin(), raw_.end());
  size_t differences = 0, unanswered = 0;
  for (size_t index = 0; index < all.size(); ++index) {
    const std::vector<int32_t> ids = tokenizer_->encode(all[index]);
    const std::vector<int32_t> plain =
        tokenizer_->encode(all[index], {.add_special_tokens = false, .parse_special = false});
    const uint32_t found = digest(*tokenizer_, ids, plain);
    unanswered += expected(index) == 0;
    if (expected(index) == 0 || found == expected(index)) continue;
    ++differences;
    if (differences <= 3)
      ADD_FAILURE() << "text " << index << ": " << nlohmann::json(all[index]).dump();
  }
  EXPECT_EQ(differences, 0u) << "of " << all.size();
  EXPECT_LT(unanswered, 10u);
}

TEST_P(GoldenTest, IdSequences) {
  const size_t first = texts_.size() + raw_.size();
  const int ids_in_use = tokenizer_->vocab_size() + 3;
  size_t differences = 0, unanswered = 0;
  for (size_t index = 0; index < sequences_.size(); ++index) {
    std::vector<int32_t> ids;
    for (const int value : sequences_[index]) ids.push_back(value % ids_in_use);
    unanswered += expected(first + index) == 0;
    if (expected(first + index) == 0) continue;
    differences += digest(*tokenizer_, ids, {}) != expected(first + index);
  }
  EXPECT_EQ(differences, 0u) << "of " << sequences_.size();
  EXPECT_LT(unanswered, sequences_.size() / 2);
}

TEST_P(GoldenTest, StreamedTextEqualsDecoded) {
  const int ids_in_use = tokenizer_->vocab_size() + 3;
  for (const std::vector<int>& sequence : sequences_) {
    std::vector<int32_t> ids;
    for (const int value : sequence) ids.push_back(value % ids_in_use);
    for (const bool skip : {false, true}) {
      ASSERT_EQ(streamed(*tokenizer_, ids, skip), tokenizer_->decode(ids, skip));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, GoldenTest, testing::ValuesIn(golden_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace tessera
