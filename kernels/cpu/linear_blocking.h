// How a matrix product is cut into tasks for the compute threads: blocks of rows whose x stays in
// the L2 cache, times ranges of panels. Pure arithmetic; the cut never changes a bit of the result.
#pragma once

#include <cstdint>

namespace tessera {

struct LinearBlocking {
  int64_t rows_per_block;   // <= kMaxRowsPerBlock
  int64_t row_blocks;       // cover M
  int64_t panels_per_task;  // even, except where there is one panel
  int64_t panel_ranges;     // cover the panels

  static constexpr int64_t kMaxRowsPerBlock = 144;

  int64_t tasks() const { return row_blocks * panel_ranges; }
};

// REQUIRES: M, panels, row_bytes (of one row of x as the kernel reads it), panel_bytes > 0.
LinearBlocking choose_linear_blocking(int64_t M, int64_t panels, int64_t row_bytes,
                                      int64_t panel_bytes, int threads);

}  // namespace tessera
