// The one layout of a matrix that activations are multiplied with, on every ISA level: panels of 16
// output columns, K-major. In bf16 consecutive k form pairs (VNNI): element (k, n) of [K, N] stands
// at
//   panel n/16, pair k/2, column n%16, half k%2   ->  ((n/16 * Kp/2 + k/2) * 16 + n%16) * 2 + k%2
// and in f32 at (n/16 * Kp + k) * 16 + n%16, with Kp = K rounded up to kPanelDepth, N to
// kPanelColumns; the padding is zero. One column of the panel is one row of a Hugging Face [out,
// in] weight.
#pragma once

#include <cstdint>

#include "kernels/core/memory.h"
#include "kernels/core/tensor.h"

namespace tessera {

constexpr int kPanelColumns = 16;
constexpr int kPanelDepth = 32;
constexpr int kPairsPerBlock = kPanelDepth / 2;  // of bf16, a 32-bit word each

constexpr int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

struct PackedWeight {
  void* data = nullptr;
  DType dtype = DType::kBf16;  // kBf16 or kF32
  int64_t N = 0;               // output columns
  int64_t K = 0;               // depth

  int64_t padded_columns() const { return round_up(N, kPanelColumns); }
  int64_t padded_depth() const { return round_up(K, kPanelDepth); }
  int64_t bytes() const {
    return padded_columns() * padded_depth() * static_cast<int64_t>(size_of(dtype));
  }
  // Columns [begin, begin + count); REQUIRES: begin is a multiple of kPanelColumns.
  PackedWeight columns(int64_t begin, int64_t count) const {
    PackedWeight part = *this;
    part.data =
        static_cast<char*>(data) + begin * padded_depth() * static_cast<int64_t>(size_of(dtype));
    part.N = count;
    return part;
  }
};

inline PackedWeight allocate_packed(Region& region, DType dtype, int64_t N, int64_t K) {
  PackedWeight weight;
  weight.dtype = dtype;
  weight.N = N;
  weight.K = K;
  weight.data = region.allocate(dtype, {weight.padded_columns() * weight.padded_depth()}).data;
  return weight;
}

}  // namespace tessera
