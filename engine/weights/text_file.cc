#include "engine/weights/text_file.h"

#include <filesystem>
#include <system_error>

#include "engine/weights/mapped_file.h"
#include "engine/weights/message.h"

namespace tessera {

bool path_exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::symlink_status(path, ignored).type() !=
         std::filesystem::file_type::not_found;
}

absl::StatusOr<std::string> read_text_file(const std::string& path, uint64_t max_bytes) {
  const absl::StatusOr<MappedFile> file = MappedFile::open(path);
  if (!file.ok()) return file.status();
  if (file->size() > max_bytes) {
    return absl::InvalidArgumentError(
        concat(path, ": holds ", file->size(), " bytes, more than the limit of ", max_bytes));
  }
  std::string text(file->size(), '\0');
  if (absl::Status read = file->read(0, text); !read.ok()) return read;
  return text;
}

absl::StatusOr<std::optional<std::string>> read_optional_text_file(const std::string& path,
                                                                   uint64_t max_bytes) {
  if (!path_exists(path)) return std::optional<std::string>();
  absl::StatusOr<std::string> text = read_text_file(path, max_bytes);
  if (!text.ok()) return text.status();
  return std::optional<std::string>(*std::move(text));
}

}  // namespace tessera
