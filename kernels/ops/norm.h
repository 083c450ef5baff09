// Normalisation over the last axis and residual arithmetic. Reductions use 16 fixed lanes: lane l
// sums the elements d with d % 16 == l in ascending d by fused multiply-add, then lanes are added
// pairwise (l, l + 8), (l, l + 4), (l, l + 2), (l, l + 1).
#pragma once

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"

namespace tessera {

// residual += delta (when delta is given); normed = gain * residual / sqrt(mean(residual^2) + eps).
// With `rows`, normed row r is made from residual row rows[r] and nothing is added (REQUIRES: no
// delta).
struct AddRmsNorm {
  Tensor delta;     // in      [T, D]  f32, or empty
  Tensor gain;      // in      [D]     f32
  Tensor rows;      // in      [R]     i32, or empty
  Tensor residual;  // in/out  [T, D]  f32
  Tensor normed;    // out     [T, D] or [R, D]  bf16 | f32
  float eps;        // added to the mean square, before the root
};
void add_rms_norm(Stream&, const AddRmsNorm&);

// Layer norm of a diffusion transformer, with the gated addition before it and the modulation
// after:
//   x = residual[rows[r]] += gate[m] * delta[r]            m = row_mod[r]
//   y = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps)
//   normed[r] = (y * gain + bias) * (1 + scale[m]) + shift[m]
// Every step is optional. Products with an addition are fused; an absent gain or bias counts as 1
// or 0 beside the other, so do scale and shift; the mean is taken first, then the squares, each as
// above. Without `rows`, row r is residual row r; with them and a delta, rows are distinct. Without
// `row_mod` every row takes row 0 of the modulation.
struct AddLayerNorm {
  Tensor delta;    // in      [R, D]  f32, or empty
  Tensor gate;     // in      [M, D]  f32, or empty; gate, scale and shift may be columns of a wider
                   //                 modulation
  Tensor row_mod;  // in      [R]     i32, or empty
  Tensor rows;     // in      [R]     i32, or empty (then R = T)
  Tensor gain;     // in      [D]     f32, or empty
  Tensor bias;     // in      [D]     f32, or empty
  Tensor scale;    // in      [M, D]  f32, or empty
  Tensor shift;    // in      [M, D]  f32, or empty
  Tensor residual;  // in/out  [T, D]  f32
  Tensor normed;    // out     [R, D]  bf16 | f32
  float eps;        // added to the variance, before the root
  bool normalise;   // false: normed[r] = x (REQUIRES: no gain, bias, scale, shift)
};
void add_layer_norm(Stream&, const AddLayerNorm&);

// residual[rows[r]] += delta[r], or gate[row_mod[r]] * delta[r] fused; without `rows`, row by row.
// Rows are distinct. `gate` and `row_mod` as in AddLayerNorm.
struct AddRows {
  Tensor delta;      // in      [R, D]  f32
  Tensor rows;       // in      [R]     i32, or empty (then R = T)
  Tensor residual;   // in/out  [T, D]  f32
  Tensor gate{};     // in      [M, D]  f32, or empty
  Tensor row_mod{};  // in      [R]     i32, or empty
};
void add_rows(Stream&, const AddRows&);

// out[r] = in[rows[r]]; any dtype of equal size on both sides.
struct GatherRows {
  Tensor in;    // in   [T, D]
  Tensor rows;  // in   [R]     i32; a negative row leaves out[r] untouched
  Tensor out;   // out  [R, D]
};
void gather_rows(Stream&, const GatherRows&);

// out[rows[r]] = in[r]; rows are distinct; negative rows are passed over.
struct ScatterRows {
  Tensor in;    // in   [R, D]
  Tensor rows;  // in   [R]     i32
  Tensor out;   // out  [T, D]
};
void scatter_rows(Stream&, const ScatterRows&);

}  // namespace tessera
