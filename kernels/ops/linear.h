// Matrix products with packed weights, packing, and the products' element-wise companions.
//
// The bf16 dot (the same bits for every M, thread count and ISA level): K in blocks of 32; per
// block one f32 fused-multiply-add chain over the 16 even k and one over the 16 odd k, both
// starting at zero, in ascending k, subnormals flushed (FTZ and DAZ); then even + odd, then added
// to the accumulator. This is TDPBF16PS. The f32 dot is one chain of fused multiply-adds in
// ascending k.
#pragma once

#include <optional>

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"
#include "kernels/ops/activation.h"
#include "kernels/ops/packed_weight.h"

namespace tessera {

struct Linear {
  Tensor x;        // in   [M, K]  bf16 when w is bf16, f32 when w is f32; rows may be strided
  PackedWeight w;  //      [K, N]
  Tensor bias;     // in   [N]     f32, or empty; added to the sum
  Tensor out;      // out  [M, N]  f32, or bf16 (rounded to nearest even at the very end)
  // Of sum and bias, with the bits that `activate` gives for them in f32.
  std::optional<Activation> activation = std::nullopt;
};
void linear(Stream&, const Linear&);

// out = silu(gate) * up, where gate_up = [gate | up] along the last axis. silu(x) = x / (1 +
// exp(-x)).
struct SwiGlu {
  Tensor gate_up;  // in   [M, 2F]  f32
  Tensor out;      // out  [M, F]   bf16 | f32
};
void swiglu(Stream&, const SwiGlu&);

// Packs rows of a Hugging Face weight [N, K] into panel columns [column, column + N) of `w`; the
// rest of `w` is untouched (its padding was zero from the start). Done once per weight, at load.
// `source` is host memory (a mapped file) and must stay mapped until the stream has passed.
struct PackWeight {
  const void* source;  // [N, K] row-major, rows `source_stride` elements apart
  DType source_dtype;  // bf16 | f16 | f32
  int64_t N, K;
  int64_t source_stride;
  PackedWeight w;
  int64_t column;  // first destination column; any value
};
void pack_weight(Stream&, const PackWeight&);

// Converts host values to a device vector: norm gains and biases. As above for `source`.
struct LoadVector {
  const void* source;  // [N]  bf16 | f16 | f32
  DType source_dtype;
  Tensor out;  // [N]  f32 | bf16
};
void load_vector(Stream&, const LoadVector&);

}  // namespace tessera
