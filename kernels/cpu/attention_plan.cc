#include "kernels/cpu/attention_plan.h"

#include <algorithm>

namespace tessera {
namespace {

constexpr int kTileKeys = kAttentionTile;
// Enough pieces that one slow thread does not hold up the others for long.
constexpr int64_t kPiecesPerThread = 4;

// Bits [low, high) of 64, both clamped.
uint64_t bits_between(int64_t low, int64_t high) {
  low = std::clamp<int64_t>(low, 0, kTileKeys);
  high = std::clamp<int64_t>(high, 0, kTileKeys);
  if (low >= high) return 0;
  return ~uint64_t{0} >> (kTileKeys - (high - low)) << low;
}

int64_t longest_context(const Attention& args, const AttentionSegment& segment, int64_t first_row,
                        int64_t row_count) {
  int64_t longest = 0;
  for (int64_t row = 0; row < row_count; ++row) {
    const int64_t t = segment.row_begin + first_row + row;
    longest = std::max<int64_t>(longest, args.positions.as<int32_t>()[t] + 1);
  }
  return longest;
}

// Calls visit(segment index, first row, rows, spans) for every row tile of one KV head.
template <class Visit>
void for_each_tile(const Attention& args, int rows_per_tile, Visit&& visit) {
  const auto* segments = args.segments.as<const AttentionSegment>();
  for (int s = 0; s < args.segment_count; ++s) {
    for (int row = 0; row < segments[s].row_count; row += rows_per_tile) {
      const int rows = std::min(rows_per_tile, segments[s].row_count - row);
      const int64_t context = longest_context(args, segments[s], row, rows);
      visit(s, row, rows, static_cast<int>((context + kAttentionSpan - 1) / kAttentionSpan));
    }
  }
}

}  // namespace

uint64_t visible_keys(const AttentionSpec& spec, int64_t i, int64_t begin) {
  const uint64_t causal = bits_between(0, i + 1 - begin);
  if (spec.window == 0) return causal;
  uint64_t kept =
      bits_between(i + 1 - spec.window - begin, kTileKeys) | bits_between(0, spec.sink - begin);
  if (spec.block_stride > 0 && (causal & ~kept) != 0) {
    for (int64_t j = begin; j < begin + kTileKeys; ++j) {
      const bool strided = j / spec.block_tokens % spec.block_stride == 0;
      kept |= uint64_t{strided} << (j - begin);
    }
  }
  return causal & kept;
}

AttentionPlan plan_attention(const Attention& args, int threads) {
  const int64_t Hkv = args.k_pages.dim(1);
  const int64_t group = args.q.dim(1) / Hkv;
  AttentionPlan plan{};
  plan.rows_per_tile = static_cast<int>(std::max<int64_t>(1, kRowsPerTile / group));
  for_each_tile(args, plan.rows_per_tile, [&](int, int, int rows, int spans) {
    plan.query_rows = std::max(plan.query_rows, rows * static_cast<int>(group));
    plan.tiles += Hkv;
    plan.spans += Hkv * spans;
  });
  if (threads == 1 || plan.tiles >= kPiecesPerThread * threads || plan.spans == plan.tiles) {
    return plan;
  }
  const int64_t pieces = kPiecesPerThread * threads;
  plan.spans_per_run = (plan.spans + pieces - 1) / pieces;
  for_each_tile(args, plan.rows_per_tile, [&](int, int, int, int spans) {
    plan.runs += Hkv * ((spans + plan.spans_per_run - 1) / plan.spans_per_run);
  });
  return plan;
}

void fill_attention_plan(const Attention& args, const AttentionPlan& plan, RowTile* tiles,
                         SpanRun* runs) {
  const int64_t Hkv = args.k_pages.dim(1);
  int32_t tile = 0, spans_before = 0;
  for_each_tile(args, plan.rows_per_tile, [&](int segment, int first_row, int rows, int spans) {
    for (int64_t kv_head = 0; kv_head < Hkv; ++kv_head) {
      tiles[tile] = {.segment = segment,
                     .first_row = first_row,
                     .row_count = rows,
                     .kv_head = static_cast<int32_t>(kv_head),
                     .spans = spans,
                     .first_span = spans_before};
      if (plan.spans_per_run > 0) {
        const int32_t step = static_cast<int32_t>(plan.spans_per_run);
        for (int32_t span = 0; span < spans; span += step) {
          *runs++ = {.tile = tile, .first_span = span, .span_count = std::min(step, spans - span)};
        }
      }
      spans_before += spans;
      ++tile;
    }
  });
}

}  // namespace tessera
