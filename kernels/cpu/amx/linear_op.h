// The linear op on tiles of any kind. Runs on the lane's thread and shares out the tasks.
#pragma once

#include <algorithm>

#include "kernels/cpu/amx/linear_tiles.h"
#include "kernels/cpu/execution.h"
#include "kernels/cpu/laid_rows.h"

namespace tessera {

// REQUIRES: args.w is bf16; M and N are not 0.
template <class Tiles>
void linear_on_tiles(Execution& execution, const Linear& args, FinishColumns finish) {
  const int64_t M = args.x.dim(0);
  const int64_t depth = args.w.padded_depth();
  const int64_t panels = args.w.padded_columns() / kPanelColumns;
  const LinearBlocking blocking = choose_linear_blocking(
      {.M = M,
       .panels = panels,
       .row_bytes = depth * static_cast<int64_t>(sizeof(uint16_t)),
       .panel_bytes = depth * kPanelColumns * static_cast<int64_t>(sizeof(uint16_t)),
       .panel_products = depth * kPanelColumns,
       .row_step = 2 * kTileSide,
       .panel_step = kTilePanels},
      execution.pool().threads());
  const auto rows_of = [&](int64_t block) {
    return std::min(blocking.rows_per_block, M - block * blocking.rows_per_block);
  };
  LaidRows x_tiles(execution, blocking.row_blocks,
                   packed_tile_bytes(blocking.rows_per_block, depth),
                   [&](int64_t block, std::byte* out) {
                     pack_tile_rows(args, block * blocking.rows_per_block, rows_of(block), out);
                   });
  execution.pool().parallel_for(blocking.tasks(), [&](int64_t index, int thread) {
    const int64_t block = blocking.row_block(index), range = blocking.panel_range(index);
    const TileTask task = {.row_begin = block * blocking.rows_per_block,
                           .rows = rows_of(block),
                           .x_tiles = x_tiles.of(block, thread),
                           .panel_begin = range * blocking.panels_per_task,
                           .panel_end = std::min(panels, (range + 1) * blocking.panels_per_task),
                           .finish = finish};
    run_tile_task<Tiles>(args, task);
  });
}

}  // namespace tessera
