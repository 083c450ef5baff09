// Affine combinations of ranges of the latents' pool (see patch.h): solver steps, guidance and the
// clipping of predicted latents are entries.
#pragma once

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"

namespace tessera {

// pool[out_offset + i] = sum over k < terms of coefficient[k] * pool[in_offset[k] + i], for i <
// count: the first product, then fused multiply-adds in ascending k; then clamped to [-clip, clip]
// where clip > 0 (a NaN stays one). Plain data uploaded as bytes.
struct CombineEntry {
  static constexpr int kMaxTerms = 6;

  int64_t out_offset;  // in elements, as the other offsets
  int64_t count;
  int64_t in_offset[kMaxTerms];
  float coefficient[kMaxTerms];
  int32_t terms;  // in [1, kMaxTerms]
  float clip;     // 0 = none
};

// Entries of one call are independent: none writes what another reads or writes. A range may be
// written over an input of its own entry if it is the same range.
struct Combine {
  Tensor pool;     // in/out  [N]  f32
  Tensor entries;  // in      [E, sizeof(CombineEntry)]  u8
  int entry_count;
};
void combine(Stream&, const Combine&);

}  // namespace tessera
