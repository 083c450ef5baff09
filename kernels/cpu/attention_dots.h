// The inner kernels of attention over bf16 pages, as what walks the tiles sees them. Every set of
// kernels gives the bits of the dot in kernels/ops/linear.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/execution.h"
#include "kernels/cpu/linear_dots.h"
#include "kernels/ops/attention.h"

namespace tessera {

// Rows of x (queries, or weights of keys) times one or two panels of 16 columns (keys, or columns
// of V): acc += the dots.
struct KeyDots {
  const std::byte* x;  // the first row's first 32 elements, as `narrow` left them
  int64_t x_stride;    // bytes to the next 32 elements
  // [half of a block of 32 elements][panel]: the words of the half's first pair; the next pair is
  // `pair_stride` words on, the next block `block_stride`.
  const uint32_t* w[2][2];
  int64_t pair_stride, block_stride;
  int pairs;  // of a row in all; even
  float* acc;
  int64_t acc_stride;
};

struct KeyDotKernels {
  // Rows of 32 f32, each exactly a bf16, become rows of bf16 in the kernels' own order, which begin
  // where they began. `rows` is 64-byte aligned.
  void (*narrow)(float* rows, int64_t count);
  // [panels - 1][rows - 1]
  std::array<std::array<void (*)(const KeyDots&), kDotRows>, 2> add;
};

// Attention with these kernels where pages are bf16 and a head's width is a multiple of 4, on the
// lane's thread.
using AttentionOfDots = Progress (*)(Execution&, const Attention&, const KeyDotKernels&);

// The best one for this machine, which has fused multiply-add. Any thread.
AttentionOfDots best_attention_of_dots();

}  // namespace tessera
