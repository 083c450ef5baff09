// The buffers of one forward pass on one rank, allocated once for the largest step. A pass uses
// rows [0, T') of each.
#pragma once

#include <algorithm>

#include "engine/batch/batch.h"
#include "engine/parallel/rank.h"

namespace tessera {

struct Activations {
  Tensor residual;     // [T, D]                  f32
  Tensor normed;       // [T, D]                  activation type
  Tensor qkv;          // [T, (H + 2*Hkv) * Dh]   f32, this rank's heads
  Tensor q;            // [T, H, Dh]              activation type
  Tensor mixed;        // [T, H, Dh]              activation type: what attention returns
  Tensor scan_in;      // [T, 3C]                 f32, this rank's channels: input, decay, gate
  Tensor scan_out;     // [T, C]                  activation type
  Tensor ffn;          // [T, F]                  activation type
  Tensor delta;        // [T, D]                  f32: output of a branch
  Tensor logits;       // [R', V]                 f32, of one piece; gathered over ranks
  Tensor logits_part;  // [R', V / ranks]      f32, empty on one rank
};

inline Activations allocate_activations(Region& region, const ModelConfig& config,
                                        const Shard& shard, const BatchLimits& limits, DType dtype,
                                        int ranks) {
  const int64_t T = limits.rows_max;
  const int64_t H = shard.heads.size(), Hkv = shard.kv_heads.size(), Dh = config.head_width;
  Activations a;
  a.residual = region.allocate(DType::kF32, {T, config.width});
  a.normed = region.allocate(dtype, {T, config.width});
  a.qkv = region.allocate(DType::kF32, {T, (H + 2 * Hkv) * Dh});
  a.q = region.allocate(dtype, {T, H, Dh});
  a.mixed = region.allocate(dtype, {T, H, Dh});
  a.scan_in = region.allocate(DType::kF32, {T, 3 * shard.channels.size()});
  a.scan_out = region.allocate(dtype, {T, shard.channels.size()});
  a.ffn = region.allocate(dtype, {T, shard.ffn.size()});
  a.delta = region.allocate(DType::kF32, {T, config.width});
  const int64_t R = std::min<int64_t>(T, limits.logit_rows_max);
  a.logits = region.allocate(DType::kF32, {R, shard.vocabulary_columns * ranks});
  if (ranks > 1) a.logits_part = region.allocate(DType::kF32, {R, shard.vocabulary_columns});
  return a;
}

// The KV pages of one layer on one rank; layout in kernels/ops/attention.h.
struct KvLayer {
  Tensor k_pages, v_pages;
};

inline KvLayer allocate_kv_layer(Region& region, DType dtype, int64_t blocks, int64_t kv_heads,
                                 int64_t head_width) {
  if (dtype == DType::kBf16) {
    return {region.allocate(dtype, {blocks, kv_heads, head_width / 2, kKvBlockTokens, 2}),
            region.allocate(dtype, {blocks, kv_heads, kKvBlockTokens / 2, head_width, 2})};
  }
  return {region.allocate(dtype, {blocks, kv_heads, head_width, kKvBlockTokens}),
          region.allocate(dtype, {blocks, kv_heads, kKvBlockTokens, head_width})};
}

}  // namespace tessera
