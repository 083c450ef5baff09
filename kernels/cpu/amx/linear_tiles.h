// Matrix products on tiles of 16 rows by 16 columns. A panel's block of 32 k is one tile as it
// stands in memory and TDPBF16PS is the dot of linear.h, so the bits are those of every other
// level.
//
// `Tiles` is HardwareTiles, or an emulation in tests. Compute threads call run_tile_task; the rows
// of x were laid out by pack_tile_rows before.
//
// Two row tiles times two panels use 4 tiles of sums, 2 of x and 2 of w: 4 products (16 cycles
// each) for 4 loads. Where there is one row tile it meets four panels at once. K is taken in chunks
// so that two panels of a chunk (32 KiB) stay in the L1 cache for all row tiles; sums are kept in
// memory between chunks, which changes no bit.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/cpu/linear_blocking.h"
#include "kernels/cpu/linear_finish.h"
#include "kernels/ops/linear.h"

namespace tessera {

constexpr int64_t kTileSide = 16;
constexpr int64_t kTileBytes = 1024;
constexpr int64_t kTileStride = 64;       // bytes between the rows of a tile of x or w
constexpr int64_t kTileChunkBlocks = 16;  // of 32 k
constexpr int64_t kTilePanels = 4;        // panels whose sums are kept side by side
constexpr int64_t kTileSumColumns = kTilePanels * kPanelColumns;
constexpr int64_t kTileSumStride = kTileSumColumns * static_cast<int64_t>(sizeof(float));

// Bytes of `rows` rows of x as tiles.
constexpr int64_t packed_tile_bytes(int64_t rows, int64_t padded_depth) {
  return round_up(rows, kTileSide) * padded_depth * static_cast<int64_t>(sizeof(uint16_t));
}

// Rows [row_begin, row_begin + rows) of x as [row tiles][blocks of K][16][32] bf16, with zeros
// beyond the rows and beyond K.
inline void pack_tile_rows(const Linear& args, int64_t row_begin, int64_t rows, std::byte* tiles) {
  const int64_t blocks = args.w.padded_depth() / kPanelDepth;
  for (int64_t row = 0; row < round_up(rows, kTileSide); ++row) {
    std::byte* out = tiles + row / kTileSide * blocks * kTileBytes + row % kTileSide * kTileStride;
    for (int64_t block = 0; block < blocks; ++block, out += kTileBytes) {
      const int64_t k = block * kPanelDepth;
      const int64_t count = row < rows ? std::min<int64_t>(kPanelDepth, args.w.K - k) : 0;
      if (count < kPanelDepth) std::memset(out, 0, kTileStride);
      if (count == 0) continue;
      std::memcpy(out, args.x.row<const uint16_t>(row_begin + row) + k,
                  static_cast<size_t>(count) * sizeof(uint16_t));
    }
  }
}

struct TileTask {
  int64_t row_begin, rows;
  const std::byte* x_tiles;  // of pack_tile_rows, for these rows
  int64_t panel_begin, panel_end;
  FinishColumns finish;
};

// Some blocks of K for some row tiles and panels.
struct TileStep {
  const std::byte* x;  // of the first row tile; the next is `x_stride` bytes on
  int64_t x_stride;
  const std::byte* w;  // of the first panel; the next is `w_stride` bytes on
  int64_t w_stride;
  int64_t blocks;
  float* acc;  // of the first row and column; rows are kTileSumColumns apart
  bool fresh;  // sums start at zero

  float* sums(int64_t row_tile, int64_t panel) const {
    return acc + row_tile * kTileSide * kTileSumColumns + panel * kPanelColumns;
  }
  TileStep from(int64_t row_tile, int64_t panel) const {
    TileStep part = *this;
    part.x += row_tile * x_stride;
    part.w += panel * w_stride;
    part.acc = sums(row_tile, panel);
    return part;
  }
};

template <class Tiles, int kTile>
void begin_sum(bool fresh, const float* sums) {
  if (fresh) {
    Tiles::template zero<kTile>();
  } else {
    Tiles::template load<kTile>(sums, kTileSumStride);
  }
}

template <class Tiles>
void add_two_by_two(const TileStep& step) {
  begin_sum<Tiles, 0>(step.fresh, step.sums(0, 0));
  begin_sum<Tiles, 1>(step.fresh, step.sums(0, 1));
  begin_sum<Tiles, 2>(step.fresh, step.sums(1, 0));
  begin_sum<Tiles, 3>(step.fresh, step.sums(1, 1));
  for (int64_t block = 0; block < step.blocks; ++block) {
    const std::byte* const x = step.x + block * kTileBytes;
    const std::byte* const w = step.w + block * kTileBytes;
    Tiles::template load<4>(x, kTileStride);
    Tiles::template load<6>(w, kTileStride);
    Tiles::template dot<0, 4, 6>();
    Tiles::template load<7>(w + step.w_stride, kTileStride);
    Tiles::template dot<1, 4, 7>();
    Tiles::template load<5>(x + step.x_stride, kTileStride);
    Tiles::template dot<2, 5, 6>();
    Tiles::template dot<3, 5, 7>();
  }
  Tiles::template store<0>(step.sums(0, 0), kTileSumStride);
  Tiles::template store<1>(step.sums(0, 1), kTileSumStride);
  Tiles::template store<2>(step.sums(1, 0), kTileSumStride);
  Tiles::template store<3>(step.sums(1, 1), kTileSumStride);
}

template <class Tiles>
void add_one_by_four(const TileStep& step) {
  begin_sum<Tiles, 0>(step.fresh, step.sums(0, 0));
  begin_sum<Tiles, 1>(step.fresh, step.sums(0, 1));
  begin_sum<Tiles, 2>(step.fresh, step.sums(0, 2));
  begin_sum<Tiles, 3>(step.fresh, step.sums(0, 3));
  for (int64_t block = 0; block < step.blocks; ++block) {
    const std::byte* const w = step.w + block * kTileBytes;
    Tiles::template load<4>(step.x + block * kTileBytes, kTileStride);
    Tiles::template load<5>(w, kTileStride);
    Tiles::template load<6>(w + step.w_stride, kTileStride);
    Tiles::template load<7>(w + 2 * step.w_stride, kTileStride);
    Tiles::template dot<0, 4, 5>();
    Tiles::template load<5>(w + 3 * step.w_stride, kTileStride);
    Tiles::template dot<1, 4, 6>();
    Tiles::template dot<2, 4, 7>();
    Tiles::template dot<3, 4, 5>();
  }
  Tiles::template store<0>(step.sums(0, 0), kTileSumStride);
  Tiles::template store<1>(step.sums(0, 1), kTileSumStride);
  Tiles::template store<2>(step.sums(0, 2), kTileSumStride);
  Tiles::template store<3>(step.sums(0, 3), kTileSumStride);
}

template <class Tiles>
void add_one_by_one(const TileStep& step) {
  begin_sum<Tiles, 0>(step.fresh, step.sums(0, 0));
  for (int64_t block = 0; block < step.blocks; ++block) {
    Tiles::template load<4>(step.x + block * kTileBytes, kTileStride);
    Tiles::template load<5>(step.w + block * kTileBytes, kTileStride);
    Tiles::template dot<0, 4, 5>();
  }
  Tiles::template store<0>(step.sums(0, 0), kTileSumStride);
}

// `panels` <= kTilePanels panels of the step times `row_tiles` row tiles. Panels go outside, so
// that a pair of them stays in L1 while the rows go past.
template <class Tiles>
void add_step(const TileStep& step, int64_t row_tiles, int64_t panels) {
  const int64_t paired_tiles = row_tiles / 2 * 2;
  const int64_t paired_panels = panels / 2 * 2;
  for (int64_t panel = 0; panel < paired_panels; panel += 2) {
    for (int64_t tile = 0; tile < paired_tiles; tile += 2) {
      add_two_by_two<Tiles>(step.from(tile, panel));
    }
  }
  for (int64_t tile = 0; tile < paired_tiles && paired_panels < panels; ++tile) {
    add_one_by_one<Tiles>(step.from(tile, paired_panels));
  }
  if (paired_tiles == row_tiles) return;
  if (panels == kTilePanels) {
    add_one_by_four<Tiles>(step.from(paired_tiles, 0));
    return;
  }
  for (int64_t panel = 0; panel < panels; ++panel) {
    add_one_by_one<Tiles>(step.from(paired_tiles, panel));
  }
}

template <class Tiles>
void run_tile_task(const Linear& args, const TileTask& task) {
  alignas(64) float acc[LinearBlocking::kMaxRowsPerBlock * kTileSumColumns];
  const int64_t blocks = args.w.padded_depth() / kPanelDepth;
  const int64_t row_tiles = (task.rows + kTileSide - 1) / kTileSide;
  // One pair of row tiles meets each panel once: there is nothing to keep in L1.
  const int64_t chunk = row_tiles <= 2 ? blocks : kTileChunkBlocks;
  const std::byte* const w = static_cast<const std::byte*>(args.w.data);
  Tiles::configure();
  for (int64_t panel = task.panel_begin; panel < task.panel_end; panel += kTilePanels) {
    const int64_t panels = std::min(kTilePanels, task.panel_end - panel);
    for (int64_t block = 0; block < blocks; block += chunk) {
      const TileStep step = {.x = task.x_tiles + block * kTileBytes,
                             .x_stride = blocks * kTileBytes,
                             .w = w + (panel * blocks + block) * kTileBytes,
                             .w_stride = blocks * kTileBytes,
                             .blocks = std::min(chunk, blocks - block),
                             .acc = acc,
                             .fresh = block == 0};
      add_step<Tiles>(step, row_tiles, panels);
    }
    task.finish(args, task.row_begin, task.rows, panel * kPanelColumns, acc, kTileSumColumns);
  }
  Tiles::release();
}

}  // namespace tessera
