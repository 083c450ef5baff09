// The last step of a linear op, for code that is not compiled once per Highway target (tiles).
#pragma once

#include <cstdint>

#include "kernels/ops/linear.h"

namespace tessera {

// Columns [first, first + acc_stride) of `rows` rows of sums, as far as they exist: adds the bias,
// applies the activation, gates, rounds and stores. acc: [rows][acc_stride] f32, 64-byte aligned;
// acc_stride is a multiple of two panels, and so is `first`.
using FinishColumns = void (*)(const Linear& args, int64_t row_begin, int64_t rows, int64_t first,
                               const float* acc, int64_t acc_stride);

// The best one for this machine, which has fused multiply-add. Any thread.
FinishColumns best_finish_columns();

}  // namespace tessera
