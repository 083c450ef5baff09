// Position tables added to the residual stream. Two-dimensional sine tables are separable: the
// first columns belong to one axis, the others to the other.
#pragma once

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"

namespace tessera {

// residual[rows[r]] += [table_a[index_a[r]] | table_b[index_b[r]]]; without `rows`, row by row.
// Rows are distinct. Without table_b, table_a is as wide as the stream.
struct AddPositions {
  Tensor table_a;   // in      [A, Da]  f32
  Tensor index_a;   // in      [R]      i32
  Tensor table_b;   // in      [B, Db]  f32, or empty (then Db = 0)
  Tensor index_b;   // in      [R]      i32, or empty
  Tensor rows;      // in      [R]      i32, or empty (then R = T)
  Tensor residual;  // in/out  [T, Da + Db]  f32
};
void add_positions(Stream&, const AddPositions&);

}  // namespace tessera
