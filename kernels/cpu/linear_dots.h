// The inner kernels of a matrix product with bf16 weights, as what shares out the work sees them:
// how rows of x are laid out, and which function multiplies a chunk of K for up to kDotRows rows
// and one or two panels. Every set of kernels gives the bits of the dot in kernels/ops/linear.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/execution.h"
#include "kernels/ops/linear.h"

namespace tessera {

// Rows of one register block: six rows of two AVX-512 vectors are 12 pairs of chains, and fused
// multiply-adds take 4 cycles where two start per cycle.
constexpr int kDotRows = 6;
constexpr int64_t kPairWords = kPanelColumns;  // 32-bit words of a pair of one panel: a cache line

// Cache lines to ask for while a chunk is multiplied: `count` of each panel for every block.
struct PanelLinesAhead {
  const uint32_t* first[2];
  int count;

  void ask_for(int panel, int64_t block) const {
    const uint32_t* const line = first[panel] + block * kPairsPerBlock * kPairWords;
    for (int i = 0; i < count; ++i) __builtin_prefetch(line + i * kPairWords);
  }
};

// Rows of x in the kernels' own layout, kPanelDepth elements of each per block of K, times panels.
struct DotChunk {
  const std::byte* x;
  int64_t x_stride;  // bytes from a block of K to the next
  const uint32_t* w;
  int64_t panel_stride;  // words
  int64_t blocks;
  float* acc;
  int64_t acc_stride;
  PanelLinesAhead ahead;
};

using AddDots = void (*)(const DotChunk&);

struct DotKernels {
  int64_t element_bytes;  // of x as laid out
  // Rows [row_begin, row_begin + rows) of args.x as [blocks of K][rows][kPanelDepth], zero beyond
  // K. `x` is 64-byte aligned.
  void (*lay_out)(const Linear& args, int64_t row_begin, int64_t rows, std::byte* x);
  // [panels - 1][rows - 1]: acc += the chunk's dots.
  std::array<std::array<AddDots, kDotRows>, 2> add;
};

// The linear op for bf16 weights with these kernels, on the lane's thread. REQUIRES: M, N > 0.
using LinearOfDots = void (*)(Execution&, const Linear&, const DotKernels&);

// The best one for this machine, which has fused multiply-add. Any thread.
LinearOfDots best_linear_of_dots();

}  // namespace tessera
