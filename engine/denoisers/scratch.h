// The buffers of a denoiser's passes, allocated once for the largest step. A pass uses rows [0, n)
// of each.
#pragma once

#include "engine/denoiser/denoiser.h"

namespace tessera {

struct DenoiserScratch {
  Tensor residual;  // [T, D]      f32
  Tensor normed;    // [T, D]      activation type
  Tensor qkv;       // [T, 3D]     f32
  Tensor q;         // [T, H, Dh]  activation type
  Tensor mixed;     // [T, H, Dh]  activation type: what attention returns
  Tensor ffn;       // [T, F]      activation type: between the two products of an MLP
  Tensor delta;     // [T, D]      f32: output of a branch
  Tensor patches;   // [T, C*p*p]  activation type
  Tensor answers;   // [T, p*p*C'] f32
  // modulate(): rows of time.
  Tensor time_hidden;  // [n, E]  activation type
  Tensor condition;    // [n, D]  f32
  // condition(): rows of the condition.
  Tensor prompt_hidden;  // [c, E]   activation type
  Tensor prompt;         // [c, D]   activation type
  Tensor prompt_kv;      // [c, 2D]  f32

  // The same for a stream whose rows begin at row `first` of a step.
  DenoiserScratch from_row(int64_t first) const {
    DenoiserScratch rest = *this;
    for (Tensor* const part :
         {&rest.residual, &rest.normed, &rest.qkv, &rest.q, &rest.mixed, &rest.ffn, &rest.delta}) {
      *part = part->rows(first, part->dim(0) - first);
    }
    return rest;
  }
};

struct ScratchWidths {
  int64_t width = 0, ffn_width = 0, patch_inputs = 0, patch_outputs = 0;
  int heads = 0, head_width = 0;
  int64_t embedder_width = 0;  // E, inside the embedders of time and condition; 0 = D
};

inline DenoiserScratch allocate_denoiser_scratch(Region& region, DType dtype,
                                                 const ScratchWidths& widths,
                                                 const DenoiserLimits& limits) {
  const int64_t T = limits.rows_max, D = widths.width, F = widths.ffn_width;
  const int64_t n = limits.modulation_rows, c = limits.condition_rows;
  const int64_t E = widths.embedder_width == 0 ? D : widths.embedder_width;
  DenoiserScratch s;
  s.residual = region.allocate(DType::kF32, {T, D});
  s.normed = region.allocate(dtype, {T, D});
  s.qkv = region.allocate(DType::kF32, {T, 3 * D});
  s.q = region.allocate(dtype, {T, widths.heads, widths.head_width});
  s.mixed = region.allocate(dtype, {T, widths.heads, widths.head_width});
  s.ffn = region.allocate(dtype, {T, F});
  s.delta = region.allocate(DType::kF32, {T, D});
  s.patches = region.allocate(dtype, {T, widths.patch_inputs});
  s.answers = region.allocate(DType::kF32, {T, widths.patch_outputs});
  s.time_hidden = region.allocate(dtype, {n, E});
  s.condition = region.allocate(DType::kF32, {n, D});
  if (c > 0) {
    s.prompt_hidden = region.allocate(dtype, {c, E});
    s.prompt = region.allocate(dtype, {c, D});
    s.prompt_kv = region.allocate(DType::kF32, {c, 2 * D});
  }
  return s;
}

}  // namespace tessera
