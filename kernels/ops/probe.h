// How much rows have changed: what a cache policy looks at before it decides. Pairs of rows of two
// tensors are listed; each segment of the list gives its own sums, which do not depend on the other
// segments. A row is summed on 16 lanes as in norm.h (element d on lane d % 16), then the rows of a
// segment are, pair k of it on lane k % 16.
#pragma once

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"

namespace tessera {

// The pairs to compare: row a_rows[k] of a with row b_rows[k] of b.
struct RowPairs {
  Tensor a;         // in  [Ta, D]  f32
  Tensor a_rows;    // in  [n]      i32, or empty (row k)
  Tensor b;         // in  [Tb, D]  f32
  Tensor b_rows;    // in  [n]      i32, or empty (row k)
  Tensor segments;  // in  [S, 2]   i32: first pair and number of pairs of each segment; they do not
                    //              overlap
};

// out[s] = sum |a - b|, sum |b| over the segment's elements.
struct RelativeL1 {
  RowPairs pairs;
  Tensor out;  // out  [S, 2]  f32
};
void relative_l1(Stream&, const RelativeL1&);

// out[s] = a.b, a.a, b.b over the segment's elements, by fused multiply-adds: the cosine.
struct DotProducts {
  RowPairs pairs;
  Tensor out;  // out  [S, 3]  f32
};
void dot_products(Stream&, const DotProducts&);

}  // namespace tessera
