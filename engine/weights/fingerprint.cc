#include "engine/weights/fingerprint.h"

#include <cstdint>
#include <cstdio>

namespace tessera {
namespace {

constexpr size_t kPieces = 16;
constexpr size_t kPieceBytes = 8;

class Fnv1a {
 public:
  void add(std::byte byte) { hash_ = (hash_ ^ static_cast<uint64_t>(byte)) * 0x100000001b3; }
  void add(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) add(byte);
  }
  void add(std::string_view text) {
    add(std::as_bytes(std::span(text)));
    add(std::byte{0});
  }
  void add(uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) add(static_cast<std::byte>(number >> shift));
  }
  uint64_t hash() const { return hash_; }

 private:
  uint64_t hash_ = 0xcbf29ce484222325;
};

}  // namespace

std::string checkpoint_fingerprint(const TensorFiles& files) {
  Fnv1a fnv;
  for (const std::string& name : files.names()) {
    const TensorBytes tensor = files.stored(name);
    fnv.add(std::string_view(name));
    fnv.add(static_cast<uint64_t>(tensor.dtype));
    fnv.add(static_cast<uint64_t>(tensor.shape.size()));
    for (const int64_t extent : tensor.shape) fnv.add(static_cast<uint64_t>(extent));
    if (tensor.bytes.size() <= kPieces * kPieceBytes) {
      fnv.add(tensor.bytes);
      continue;
    }
    const size_t last = tensor.bytes.size() - kPieceBytes;
    for (size_t piece = 0; piece < kPieces; ++piece) {
      fnv.add(tensor.bytes.subspan(last * piece / (kPieces - 1), kPieceBytes));
    }
  }
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(fnv.hash()));
  return digits;
}

}  // namespace tessera
