// What a Tokenizer is made of, put together by the loaders. Immutable once inside a Tokenizer.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/tokenize/added_tokens.h"
#include "engine/tokenize/bpe.h"
#include "engine/tokenize/decoder.h"
#include "engine/tokenize/folder_facts.h"
#include "engine/tokenize/normalizer.h"
#include "engine/tokenize/post_processor.h"
#include "engine/tokenize/pre_tokenizer.h"
#include "engine/tokenize/vocabulary.h"

namespace tessera {

class SentencePieceModel;

struct TokenizerParts {
  Vocabulary vocabulary;
  AddedTokens added;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  PostProcessor post_processor;
  Decoder decoder;
  // Exactly one is set. Both refer to `vocabulary`, so parts are never moved.
  std::optional<BpeModel> bpe;
  std::unique_ptr<const SentencePieceModel> sentence_piece;
  SpecialIds special;

  TokenizerParts();
  TokenizerParts(const TokenizerParts&) = delete;
  TokenizerParts& operator=(const TokenizerParts&) = delete;
  ~TokenizerParts();
};

// Reads folder/tokenizer.json.
absl::StatusOr<std::unique_ptr<TokenizerParts>> load_json_tokenizer(
    const std::filesystem::path& folder);
// Reads folder/name, one of these two names.
inline constexpr const char* kSentencePieceName = "tokenizer.model";
inline constexpr const char* kT5ModelName = "spiece.model";
absl::StatusOr<std::unique_ptr<TokenizerParts>> load_sentence_piece_tokenizer(
    const std::filesystem::path& folder, const char* name);

}  // namespace tessera
