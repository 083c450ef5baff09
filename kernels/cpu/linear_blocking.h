// How a matrix product is cut into tasks for the compute threads: blocks of rows whose x stays in
// the L2 cache, times ranges of panels. Pure arithmetic; the cut never changes a bit of the result.
#pragma once

#include <cstdint>

namespace tessera {

struct LinearWork {
  int64_t M, panels;  // > 0
  int64_t row_bytes;  // of one row of x as the kernel reads it
  int64_t panel_bytes;
  int64_t panel_products;  // multiply-adds of one row with one panel
  int64_t row_step;  // rows and panels that the kernel takes at once: blocks are multiples of them
  int64_t panel_step;
};

struct LinearBlocking {
  int64_t rows_per_block;  // <= kMaxRowsPerBlock
  int64_t row_blocks;      // cover M
  int64_t panels_per_task;
  int64_t panel_ranges;  // cover the panels

  static constexpr int64_t kMaxRowsPerBlock = 144;

  // The compute pool gives every thread neighbouring tasks. Weights that stay in its cache: all
  // ranges of a block of rows follow each other, so that a thread keeps its rows. Others: all
  // blocks of rows for a range, so that each panel is read from memory once.
  bool by_rows;

  int64_t tasks() const { return row_blocks * panel_ranges; }
  int64_t row_block(int64_t task) const {
    return by_rows ? task / panel_ranges : task % row_blocks;
  }
  int64_t panel_range(int64_t task) const {
    return by_rows ? task % panel_ranges : task / row_blocks;
  }
};

LinearBlocking choose_linear_blocking(const LinearWork& work, int threads);

}  // namespace tessera
