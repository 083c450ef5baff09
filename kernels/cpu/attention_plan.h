// How one attention op is cut into work for the compute threads, and which keys a row sees. Pure
// arithmetic, shared by every CPU level; the cut never changes a bit of the result (see attention.h
// on spans).
#pragma once

#include <cstdint>

#include "kernels/ops/attention.h"

namespace tessera {

// The visible keys among positions [begin, begin + kAttentionTile) from query position i, as bits.
// REQUIRES: begin is a multiple of kAttentionTile.
uint64_t visible_keys(const AttentionSpec& spec, int64_t i, int64_t begin);

// Rows of one segment that one thread takes together through its keys, with all query heads of one
// KV head, so that every page read serves them all.
struct RowTile {
  int32_t segment;
  int32_t first_row, row_count;  // within the segment
  int32_t kv_head;
  int32_t spans;       // ceil(longest context / kAttentionSpan)
  int32_t first_span;  // of this tile among all spans of the op
};

// Consecutive spans of one row tile: what is claimed by a thread when spans are shared out.
struct SpanRun {
  int32_t tile;
  int32_t first_span, span_count;  // within the tile
};

struct AttentionPlan {
  int rows_per_tile;
  int query_rows;  // of the largest tile: its rows times heads per KV head
  int64_t tiles;
  int64_t spans;          // over all tiles
  int64_t spans_per_run;  // 0: a thread takes whole tiles
  int64_t runs;
};

// Query rows (rows times heads per KV head) that one tile aims at: their q, scores and output stay
// in the L1 cache beside a tile of keys.
constexpr int kRowsPerTile = 64;

AttentionPlan plan_attention(const Attention& args, int threads);
// `tiles` has room for plan.tiles, `runs` for plan.runs.
void fill_attention_plan(const Attention& args, const AttentionPlan& plan, RowTile* tiles,
                         SpanRun* runs);

}  // namespace tessera
