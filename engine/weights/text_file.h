// Small text files of a model folder, read whole and bounded. Stateless; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace tessera {

// The file's bytes. NOT_FOUND when there is no such name; INVALID_ARGUMENT when it is not a regular
// file or holds more than max_bytes; a dangling symlink is an error, not an absent file.
absl::StatusOr<std::string> read_text_file(const std::string& path, uint64_t max_bytes);

// As above, with an absent file as nullopt.
absl::StatusOr<std::optional<std::string>> read_optional_text_file(const std::string& path,
                                                                   uint64_t max_bytes);

}  // namespace tessera
