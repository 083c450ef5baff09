// The public face of a loaded tokenizer: options, ids by name, and what the smaller files add.
#include "engine/tokenize/tokenizer.h"

#include <gtest/gtest.h>

#include <thread>

#include "engine/tokenize/golden_files.h"
#include "support/temporary_folder.h"

namespace tessera {
namespace {

// Letters a, b, c and the merge "ab"; one special token.
constexpr const char* kSmall = R"({"version":"1.0","added_tokens":[{"id":4,"content":"<end>",
  "single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
  "model":{"type":"BPE","vocab":{"a":0,"b":1,"c":2,"ab":3},"merges":["a b"]}})";

TEST(TokenizerTest, EmptyFolderIsNotFound) {
  const TemporaryFolder folder;
  EXPECT_EQ(Tokenizer::load(folder.path()).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Tokenizer::load(folder.path() / "none").status().code(), absl::StatusCode::kNotFound);
}

TEST(TokenizerTest, SpecialTokensInTextAreParsedOnlyIfAsked) {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", kSmall);
  auto tokenizer = *Tokenizer::load(folder.path());
  EXPECT_EQ(tokenizer->encode("ab<end>c"), (std::vector<int32_t>{3, 4, 2}));
  // The characters of "<end>" are not in this vocabulary and there is no unknown token.
  EXPECT_EQ(tokenizer->encode("ab<end>c", {.parse_special = false}), (std::vector<int32_t>{3, 2}));
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{3, 4, 2}, true), "ab c");
}

TEST(TokenizerTest, NamesAndIds) {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", kSmall);
  folder.write("tokenizer_config.json",
               R"({"eos_token":{"content":"<end>"},"bos_token":null,"pad_token":"c"})");
  folder.write("special_tokens_map.json", R"({"bos_token":"a","eos_token":"b"})");
  auto tokenizer = *Tokenizer::load(folder.path());
  EXPECT_EQ(tokenizer->vocab_size(), 5);
  EXPECT_EQ(tokenizer->token_id("ab"), 3);
  EXPECT_EQ(tokenizer->token_id("<end>"), 4);
  EXPECT_EQ(tokenizer->token_id("zz"), std::nullopt);
  EXPECT_EQ(tokenizer->token_text(3), "ab");
  EXPECT_EQ(tokenizer->token_text(4), "<end>");
  EXPECT_EQ(tokenizer->token_text(5), "");
  EXPECT_TRUE(tokenizer->is_special(4));
  EXPECT_FALSE(tokenizer->is_special(3));
  EXPECT_EQ(tokenizer->eos_id(), 4);  // the config is newer than the map
  EXPECT_EQ(tokenizer->bos_id(), 0);  // null names nothing
  EXPECT_EQ(tokenizer->pad_id(), 2);
  EXPECT_EQ(tokenizer->unk_id(), std::nullopt);
}

TEST(TokenizerTest, SmallerFilesAddTokens) {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", kSmall);
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder":{
    "4":{"content":"<end>","special":true},"5":{"content":"<tool>","special":false}}})");
  folder.write("added_tokens.json", R"({"<tool>":5,"<more>":6})");
  auto tokenizer = *Tokenizer::load(folder.path());
  EXPECT_EQ(tokenizer->encode("a<tool><more>"), (std::vector<int32_t>{0, 5, 6}));
  EXPECT_FALSE(tokenizer->is_special(5));
}

TEST(TokenizerTest, SmallerFilesMayNotContradict) {
  const auto message = [](const char* name, const char* content) {
    const TemporaryFolder folder;
    folder.write("tokenizer.json", kSmall);
    folder.write(name, content);
    return std::string(Tokenizer::load(folder.path()).status().message());
  };
  EXPECT_NE(message("added_tokens.json", R"({"<end>":9})").find("\"<end>\" has id 4"),
            std::string::npos);
  EXPECT_NE(message("added_tokens.json", R"({"<far>":9})").find("would get id 5"),
            std::string::npos);
  EXPECT_NE(message("tokenizer_config.json", R"({"eos_token":3})").find("eos_token: 3 must be"),
            std::string::npos);
  EXPECT_NE(message("tokenizer_config.json", R"({"added_tokens_decoder":{"x":{"content":"q"}}})")
                .find("added_tokens_decoder: \"x\" is no id"),
            std::string::npos);
}

TEST(TokenizerTest, ManyThreadsShareOneTokenizer) {
  const std::vector<std::string> all = read_list(golden_folder() / "texts.bin");
  const std::vector<std::string> texts(all.begin(), all.begin() + 400);
  for (const char* name : {"qwen2", "flags_lower", "sp_unigram"}) {
    auto tokenizer = *Tokenizer::load(golden_folder() / name);
    const auto answers = [&] {
      std::vector<std::string> found;
      for (const std::string& text : texts)
        found.push_back(tokenizer->decode(tokenizer->encode(text), true));
      return found;
    };
    std::vector<std::vector<std::string>> found(4);
    std::vector<std::thread> threads;
    for (auto& mine : found) threads.emplace_back([&] { mine = answers(); });
    for (std::thread& thread : threads) thread.join();
    for (const auto& mine : found) EXPECT_EQ(mine, found[0]) << name;
  }
}

}  // namespace
}  // namespace tessera
