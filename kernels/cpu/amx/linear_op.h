// The linear op on tiles of any kind. Runs on the lane's thread and shares out the tasks.
#pragma once

#include <algorithm>

#include "kernels/cpu/amx/linear_tiles.h"
#include "kernels/cpu/execution.h"

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
  // All threads read the packed rows; they stand in the scratch of thread 0, which no task uses.
  std::byte* const x_tiles =
      execution.scratch(0, static_cast<size_t>(packed_tile_bytes(M, depth))).data();
  const auto tiles_of = [&](int64_t block) {
    return x_tiles + packed_tile_bytes(block * blocking.rows_per_block, depth);
  };
  execution.pool().parallel_for(blocking.row_blocks, [&](int64_t block, int) {
    pack_tile_rows(args, block * blocking.rows_per_block, rows_of(block), tiles_of(block));
  });
  execution.pool().parallel_for(blocking.tasks(), [&](int64_t index, int) {
    const int64_t block = index % blocking.row_blocks;
    const int64_t range = index / blocking.row_blocks;
    const TileTask task = {.row_begin = block * blocking.rows_per_block,
                           .rows = rows_of(block),
                           .x_tiles = tiles_of(block),
                           .panel_begin = range * blocking.panels_per_task,
                           .panel_end = std::min(panels, (range + 1) * blocking.panels_per_task),
                           .finish = finish};
    run_tile_task<Tiles>(args, task);
  });
}

}  // namespace tessera
