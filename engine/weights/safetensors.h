// One .safetensors file, mapped read-only: named tensors as spans of the mapping. Owned by whoever
// loads weights (one thread); the spans live as long as the SafetensorsFile.
//
// The file is untrusted. Its header is read with pread and validated completely (size, JSON,
// dtypes, shapes, offsets against the file's size; no overlap, no gap, no trailing bytes, as the
// format demands) before any span exists, so opening never faults whatever happens to the file
// meanwhile. Policy for later: someone who truncates a file while it is being packed takes the
// pages away and the process dies of SIGBUS, as with any mapped file; check_unchanged() before
// packing turns the common case (a download still running) into an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/weights/mapped_file.h"

namespace tessera {

// Every element type the format names. Wider than DType: a file may hold buffers nobody asks for.
enum class StoredDType {
  kBool,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kI16,
  kU16,
  kF16,
  kBf16,
  kI32,
  kU32,
  kF32,
  kI64,
  kU64,
  kF64,
  kC64,
};
std::string_view name_of(StoredDType dtype);  // as in the file, for example "BF16"
uint64_t size_of(StoredDType dtype);          // bytes per element

struct StoredTensor {
  StoredDType dtype = StoredDType::kF32;
  std::vector<int64_t> shape;  // outermost first; empty = one scalar
  uint64_t begin = 0;          // bytes from the start of the file's data section
  uint64_t end = 0;
};
using StoredTensors = std::map<std::string, StoredTensor, std::less<>>;

// The header's JSON text to its tensors. `data_bytes` is the size of the data section. `file` is
// only for messages. Pure.
absl::StatusOr<StoredTensors> parse_safetensors_header(std::string_view file,
                                                       std::string_view header,
                                                       uint64_t data_bytes);

class SafetensorsFile {
 public:
  static absl::StatusOr<SafetensorsFile> open(const std::string& path);

  const std::string& path() const { return mapped_.path(); }
  const StoredTensors& tensors() const { return tensors_; }
  // REQUIRES: `tensor` is one of tensors().
  std::span<const std::byte> bytes(const StoredTensor& tensor) const;

  // Whether `range` is a part of this file's mapping.
  bool holds(std::span<const std::byte> range) const { return mapped_.holds(range); }
  // Error when the file's size differs from what it was at open.
  absl::Status check_unchanged() const { return mapped_.check_unchanged(); }
  // Tells the kernel that `range` of this mapping was read for the last time; its pages are
  // dropped.
  void release(std::span<const std::byte> range) const { mapped_.release(range); }

 private:
  SafetensorsFile(MappedFile mapped, uint64_t data_begin, StoredTensors tensors)
      : mapped_(std::move(mapped)), data_begin_(data_begin), tensors_(std::move(tensors)) {}

  MappedFile mapped_;
  uint64_t data_begin_;
  StoredTensors tensors_;
};

}  // namespace tessera
