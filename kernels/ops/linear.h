// Matrix products with packed weights, and packing.
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
  // out [M, F] = activation(gate) * up, gate and up being F columns of sums (and biases) each,
  // whose panels take turns: N is gated_columns(F), columns 32 i to 32 i + 15 are 16 i to 16 i + 15
  // of the gate, the next 16 those of up. What stands beyond F in the last two panels is not read.
  bool gated = false;
};
void linear(Stream&, const Linear&);

// N of a gated product with F outputs.
constexpr int64_t gated_columns(int64_t F) { return 2 * round_up(F, kPanelColumns); }

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
  // From one destination panel to the next: 2 leaves every other one to the other half of a gated
  // product. REQUIRES: 1, or `column` begins a panel.
  int64_t panel_step = 1;
};
void pack_weight(Stream&, const PackWeight&);

// Where row n of the source goes.
constexpr int64_t packed_column(const PackWeight& a, int64_t n) {
  return a.panel_step == 1
             ? a.column + n
             : a.column + n / kPanelColumns * a.panel_step * kPanelColumns + n % kPanelColumns;
}

// Converts host values to a device vector: norm gains and biases. As above for `source`.
struct LoadVector {
  const void* source;  // [N]  bf16 | f16 | f32
  DType source_dtype;
  Tensor out;  // [N]  f32 | bf16
};
void load_vector(Stream&, const LoadVector&);

}  // namespace tessera
