// Rows that leave a step for the feature store and rows that come back from it. The store is f32,
// one row per kept token and site, and belongs to the engine.
#pragma once

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"

namespace tessera {

// store[slots[k]] = rows[index[k]], or gate[row_mod[k]] * rows[index[k]]; with minus_store that
// minus what the slot held: what a range of blocks added, where its begin was put there. Slots are
// distinct.
struct FeaturePut {
  Tensor rows;       // in      [T', D]  f32
  Tensor index;      // in      [n]      i32 rows of it, or empty (then row k)
  Tensor gate;       // in      [M, D]   f32, or empty; columns of a wider modulation will do
  Tensor row_mod;    // in      [n]      i32, or empty (row 0 of the gate)
  Tensor slots;      // in      [n]      i32
  Tensor store;      // in/out  [S, D]   f32
  bool minus_store;  // subtract what was stored
};
void feature_put(Stream&, const FeaturePut&);

// residual[rows[k]] += store[slots[k]], or gate[row_mod[k]] * store[slots[k]] fused. Rows are
// distinct.
struct FeatureAdd {
  Tensor store;     // in      [S, D]  f32
  Tensor slots;     // in      [n]     i32
  Tensor gate;      // in      [M, D]  f32, or empty
  Tensor row_mod;   // in      [n]     i32, or empty (row 0 of the gate)
  Tensor rows;      // in      [n]     i32 rows of the stream, or empty (then row k)
  Tensor residual;  // in/out  [T, D]  f32
};
void feature_add(Stream&, const FeatureAdd&);

}  // namespace tessera
