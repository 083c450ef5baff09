// tokenizer.json, read as it streams by: vocabulary and merges, which are nearly all of it, go into
// plain lists, the rest into a small JSON document. Bounded in depth, values and size, so a hostile
// file costs no more than its own length. Used by one loading thread.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/tokenize/bpe.h"
#include "engine/tokenize/vocabulary.h"

namespace tessera {

struct TokenizerFile {
  nlohmann::json rest;  // an object: everything but model.vocab and model.merges
  std::vector<VocabularyEntry> vocab;
  std::vector<MergeRule> merges;  // in order of rank
  bool has_vocab = false;         // model.vocab is an object of token to id
  bool has_merges = false;        // model.merges is a list of "left right" or [left, right]
};

// Errors name `file` and what in it is wrong.
absl::StatusOr<TokenizerFile> parse_tokenizer_file(std::string_view json, const std::string& file);

// A smaller JSON file: an object, bounded in the same ways.
absl::StatusOr<nlohmann::json> parse_json_object(std::string_view json, const std::string& file);

// The bytes of a regular file of at most `max_bytes`; follows symlinks.
absl::StatusOr<std::string> read_file(const std::filesystem::path& path, size_t max_bytes);

}  // namespace tessera
