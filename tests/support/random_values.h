// Random operands for tests that compare CPU levels bit for bit. Values cover many binades, and a
// few are zeros, subnormals and magnitudes whose products are subnormal, since flushing is part of
// the definition.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/core/tensor.h"
#include "kernels/cpu/reference/math.h"

namespace tessera {

class RandomValues {
 public:
  explicit RandomValues(uint64_t seed) : engine_(seed) {}

  int64_t integer(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine_);
  }
  bool chance(double probability) { return std::bernoulli_distribution(probability)(engine_); }

  float value() {
    const float normal = std::normal_distribution<float>()(engine_);
    const int64_t kind = integer(0, 99);
    if (kind == 0) return 0.0f;
    if (kind == 1) return -0.0f;
    if (kind == 2) return normal * 0x1p-130f;  // subnormal
    if (kind <= 4) return normal * 0x1p-64f;   // products are subnormal
    if (kind <= 9) return normal * 0x1p+10f;
    return normal;
  }

  // `count` elements as raw bytes of `dtype` (bf16, f16 excluded, or f32).
  std::vector<std::byte> elements(int64_t count, DType dtype) {
    std::vector<std::byte> bytes(static_cast<size_t>(count) * size_of(dtype));
    for (int64_t i = 0; i < count; ++i) {
      const float one = value();
      const Bf16 half = to_bf16(one);
      if (dtype == DType::kBf16) {
        std::memcpy(bytes.data() + 2 * i, &half, 2);
      } else {
        std::memcpy(bytes.data() + 4 * i, &one, 4);
      }
    }
    return bytes;
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace tessera
