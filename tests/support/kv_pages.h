// KV pages in tests: shapes of both halves and where an element stands, written out from the
// comment of kernels/ops/attention.h and independent of the backends' own arithmetic.
#pragma once

#include "support/kernel_device.h"

namespace tessera::test {

struct Pages {
  Tensor k, v;
};

inline Pages make_pages(Device& device, DType dtype, int64_t blocks, int64_t Hkv, int64_t Dh,
                        float fill) {
  const std::vector<float> values(static_cast<size_t>(blocks * Hkv * 16 * Dh), fill);
  if (dtype == DType::kBf16) {
    return {device.put_rounded(dtype, {blocks, Hkv, Dh / 2, 16, 2}, values),
            device.put_rounded(dtype, {blocks, Hkv, 8, Dh, 2}, values)};
  }
  return {device.put_rounded(dtype, {blocks, Hkv, Dh, 16}, values),
          device.put_rounded(dtype, {blocks, Hkv, 16, Dh}, values)};
}

inline int64_t k_at(DType dtype, int64_t Hkv, int64_t Dh, int64_t slot, int64_t head, int64_t d) {
  const int64_t block = slot / 16, token = slot % 16;
  if (dtype == DType::kF32) return ((block * Hkv + head) * Dh + d) * 16 + token;
  return (((block * Hkv + head) * (Dh / 2) + d / 2) * 16 + token) * 2 + d % 2;
}

inline int64_t v_at(DType dtype, int64_t Hkv, int64_t Dh, int64_t slot, int64_t head, int64_t d) {
  const int64_t block = slot / 16, token = slot % 16;
  if (dtype == DType::kF32) return ((block * Hkv + head) * 16 + token) * Dh + d;
  return (((block * Hkv + head) * 8 + token / 2) * Dh + d) * 2 + token % 2;
}

}  // namespace tessera::test
