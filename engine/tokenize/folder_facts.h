// What the smaller files of a model folder say about its tokenizer: tokenizer_config.json,
// special_tokens_map.json and added_tokens.json. Read once by the loading thread; plain data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/tokenize/added_tokens.h"
#include "engine/tokenize/vocabulary.h"

namespace tessera {

struct SpecialIds {
  std::optional<int32_t> bos, eos, pad, unk;
};

struct FolderFacts {
  // Contents, as the files name them.
  std::optional<std::string> bos, eos, pad, unk;
  std::optional<bool> add_bos, add_eos;
  std::optional<bool> legacy;
  // added_tokens_decoder, then added_tokens.json; sorted by id, one entry per id.
  std::vector<AddedToken> added;
  // Contents that additional_special_tokens names.
  std::vector<std::string> more_special;
};

// An absent file adds nothing. Errors name file and key.
absl::StatusOr<FolderFacts> read_folder_facts(const std::filesystem::path& folder);

}  // namespace tessera
