// Small text files of a model folder, read whole and bounded. Stateless; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace tessera {

// Whether the folder has such a name, be it a dangling symlink.
bool path_exists(const std::string& path);

// The file's bytes; an error when it is not a regular file or holds more than max_bytes.
absl::StatusOr<std::string> read_text_file(const std::string& path, uint64_t max_bytes);

// As above, with an absent name as nullopt; a dangling symlink is an error.
absl::StatusOr<std::optional<std::string>> read_optional_text_file(const std::string& path,
                                                                   uint64_t max_bytes);

}  // namespace tessera
