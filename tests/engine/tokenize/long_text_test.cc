// A megabyte of the texts that make naive tokenizers quadratic. The test's time limit is what fails
// here; the round trip shows that the answer is still right.
#include <gtest/gtest.h>

#include "engine/tokenize/golden_files.h"
#include "engine/tokenize/tokenizer.h"

namespace tessera {
namespace {

std::string repeated(std::string_view unit, size_t bytes = 1 << 20) {
  std::string text;
  while (text.size() + unit.size() <= bytes) text += unit;
  return text;
}

// Runs of one letter, of spaces, of newlines, of a merge, of capitals (which the Tekken pattern
// backtracks over), of combining marks, of unfinished and of whole special tokens, and digits.
const char* const kUnits[] = {
    "a",  " ", "\n",        " \n",           "ab",          "A", "\xCC\xA3\xCC\x87",
    "'s", "7", "<|im_star", "<|endoftext|>", "\xE5\xA5\xBD"};

TEST(LongTextTest, ByteLevelRoundTrips) {
  for (const char* name : {"gpt2", "llama3", "tekken"}) {
    auto tokenizer = *Tokenizer::load(golden_folder() / name);
    for (const char* unit : kUnits) {
      const std::string text = repeated(unit);
      const EncodeOptions options{.add_special_tokens = false};
      EXPECT_TRUE(tokenizer->decode(tokenizer->encode(text, options), false) == text)
          << name << unit;
    }
  }
}

TEST(LongTextTest, MarkedSpacesRoundTrip) {
  for (const char* name : {"llama2", "metaspace_first", "sp_llama"}) {
    auto tokenizer = *Tokenizer::load(golden_folder() / name);
    for (const char* unit : kUnits) {
      // A space at the very start would be the dummy prefix.
      const std::string text = std::string("x").append(repeated(unit));
      const EncodeOptions options{.add_special_tokens = false};
      EXPECT_TRUE(tokenizer->decode(tokenizer->encode(text, options), false) == text)
          << name << unit;
    }
  }
}

TEST(LongTextTest, UnknownCharactersAreOneTokenHoweverMany) {
  auto tokenizer = *Tokenizer::load(golden_folder() / "sp_bare");
  const EncodeOptions options{.add_special_tokens = false};
  const std::vector<int32_t> one = tokenizer->encode("\xF0\x93\x80\x80", options);
  EXPECT_EQ(tokenizer->encode(repeated("\xF0\x93\x80\x80"), options), one);
}

TEST(LongTextTest, AddedTokensThatTakeSpacesAlong) {
  auto tokenizer = *Tokenizer::load(golden_folder() / "flags_lower");
  const int32_t both = *tokenizer->token_id("Both");
  const std::string text = repeated("both" + std::string(60, ' '));
  const std::vector<int32_t> ids = tokenizer->encode(text);
  EXPECT_TRUE(ids == std::vector<int32_t>((1 << 20) / 64, both));
}

}  // namespace
}  // namespace tessera
