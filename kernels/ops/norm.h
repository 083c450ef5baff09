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

// residual[rows[r]] += delta[r]; without `rows`, row by row. Rows are distinct.
struct AddRows {
  Tensor delta;     // in      [R, D]  f32
  Tensor rows;      // in      [R]     i32, or empty (then R = T)
  Tensor residual;  // in/out  [T, D]  f32
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
