// Reading and writing elements whose dtype is known only at run time, and the addresses of elements
// in packed weights and KV pages. For code that values clearness over speed.
#pragma once

#include <cstdint>

#include "kernels/core/check.h"
#include "kernels/core/tensor.h"
#include "kernels/cpu/reference/math.h"
#include "kernels/ops/attention.h"
#include "kernels/ops/packed_weight.h"

namespace tessera {

inline float load_element(const void* data, DType dtype, int64_t index) {
  switch (dtype) {
    case DType::kBf16:
      return to_f32(static_cast<const Bf16*>(data)[index]);
    case DType::kF16:
      return to_f32(static_cast<const F16*>(data)[index]);
    default:
      return static_cast<const float*>(data)[index];
  }
}

inline void store_element(void* data, DType dtype, int64_t index, float value) {
  if (dtype == DType::kBf16) {
    static_cast<Bf16*>(data)[index] = to_bf16(value);
  } else {
    static_cast<float*>(data)[index] = value;
  }
}

// `value` as it reads back after being stored as `dtype`.
inline float rounded(float value, DType dtype) {
  return dtype == DType::kBf16 ? to_f32(to_bf16(value)) : value;
}

// Element index of (k, n) in the panels of packed_weight.h.
inline int64_t packed_index(const PackedWeight& w, int64_t k, int64_t n) {
  const int64_t panel = n / kPanelColumns, column = n % kPanelColumns;
  if (w.dtype == DType::kF32) return (panel * w.padded_depth() + k) * kPanelColumns + column;
  return ((panel * w.padded_depth() / 2 + k / 2) * kPanelColumns + column) * 2 + k % 2;
}

// Element indices of (slot, head, d) in the pages of one layer, see attention.h. REQUIRES: slot >=
// 0.
struct PageIndex {
  int64_t Hkv, Dh;
  bool paired;  // bf16

  PageIndex(const Tensor& k_pages)
      : Hkv(k_pages.dim(1)),
        Dh(k_pages.dtype == DType::kBf16 ? 2 * k_pages.dim(2) : k_pages.dim(2)),
        paired(k_pages.dtype == DType::kBf16) {}

  int64_t k(int64_t slot, int64_t head, int64_t d) const {
    const int64_t token = slot % kKvBlockTokens;
    if (!paired) return begin(slot, head) + d * kKvBlockTokens + token;
    return begin(slot, head) + (d / 2 * kKvBlockTokens + token) * 2 + d % 2;
  }
  int64_t v(int64_t slot, int64_t head, int64_t d) const {
    const int64_t token = slot % kKvBlockTokens;
    if (!paired) return begin(slot, head) + token * Dh + d;
    return begin(slot, head) + (token / 2 * Dh + d) * 2 + token % 2;
  }

 private:
  int64_t begin(int64_t slot, int64_t head) const {
    return (slot / kKvBlockTokens * Hkv + head) * kKvBlockTokens * Dh;
  }
};

}  // namespace tessera
