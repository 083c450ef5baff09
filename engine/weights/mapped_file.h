// A regular file mapped read-only and private. Owned by its reader; movable; any thread may read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace tessera {

class MappedFile {
 public:
  // Follows symlinks; anything but a regular file is refused. An empty file maps to no bytes.
  static absl::StatusOr<MappedFile> open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }  // bytes, at open
  std::span<const std::byte> bytes() const { return {data_, size_}; }

  // Copies bytes [offset, offset + into.size()) without touching the mapping; error on a short
  // file.
  absl::Status read(uint64_t offset, std::span<char> into) const;
  // Error when the file's size differs from what it was at open.
  absl::Status check_unchanged() const;
  bool holds(std::span<const std::byte> range) const {
    return range.data() >= data_ && range.data() + range.size() <= data_ + size_;
  }
  // Drops the whole pages inside `range`, a part of bytes(), from this process. They come back from
  // the file when touched again.
  void release(std::span<const std::byte> range) const;

 private:
  MappedFile(std::string path, int descriptor, const std::byte* data, uint64_t size)
      : path_(std::move(path)), descriptor_(descriptor), data_(data), size_(size) {}

  std::string path_;
  int descriptor_ = -1;
  const std::byte* data_ = nullptr;
  uint64_t size_ = 0;
};

}  // namespace tessera
