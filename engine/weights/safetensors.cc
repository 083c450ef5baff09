#include "engine/weights/safetensors.h"

#include <utility>

#include "engine/weights/message.h"
#include "kernels/core/check.h"

namespace tessera {
namespace {

constexpr uint64_t kLengthBytes = 8;             // little-endian length of the header
constexpr uint64_t kMaxHeaderBytes = 100000000;  // the format's own bound

uint64_t little_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t at = bytes.size(); at-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[at]);
  return value;
}

}  // namespace

absl::StatusOr<SafetensorsFile> SafetensorsFile::open(const std::string& path) {
  absl::StatusOr<MappedFile> mapped = MappedFile::open(path);
  if (!mapped.ok()) return mapped.status();
  if (mapped->size() < kLengthBytes) {
    return absl::InvalidArgumentError(
        concat(path, ": holds ", mapped->size(), " bytes, too few for a safetensors file"));
  }
  std::string length_bytes(kLengthBytes, '\0');
  if (absl::Status read = mapped->read(0, length_bytes); !read.ok()) return read;
  const uint64_t header_bytes = little_endian(length_bytes);
  const uint64_t after_length = mapped->size() - kLengthBytes;
  if (header_bytes > kMaxHeaderBytes || header_bytes > after_length) {
    return absl::InvalidArgumentError(concat(path, ": header length is ", header_bytes,
                                             ", must be at most ",
                                             std::min(kMaxHeaderBytes, after_length)));
  }
  std::string header(header_bytes, '\0');
  if (absl::Status read = mapped->read(kLengthBytes, header); !read.ok()) return read;
  absl::StatusOr<StoredTensors> tensors =
      parse_safetensors_header(path, header, after_length - header_bytes);
  if (!tensors.ok()) return tensors.status();
  return SafetensorsFile(*std::move(mapped), kLengthBytes + header_bytes, *std::move(tensors));
}

std::span<const std::byte> SafetensorsFile::bytes(const StoredTensor& tensor) const {
  CHECK(tensor.begin <= tensor.end && data_begin_ + tensor.end <= mapped_.size());
  return mapped_.bytes().subspan(data_begin_ + tensor.begin, tensor.end - tensor.begin);
}

}  // namespace tessera
