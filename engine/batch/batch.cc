#include "engine/batch/batch.h"

#include <algorithm>
#include <map>

#include "engine/batch/array_layout.h"
#include "kernels/ops/recurrence.h"

namespace tessera {
namespace {

using Layout = ArrayLayout;
constexpr int64_t kAlignIntegers = Layout::kAlignIntegers;

std::vector<int32_t> joined(const std::vector<int32_t>& rows, const std::vector<int32_t>& cached) {
  std::vector<int32_t> all = rows;
  all.insert(all.end(), cached.begin(), cached.end());
  return all;
}

// One row set: the segments for which runs[segment] holds, with their rows renumbered.
RowSet lay_out_row_set(const StepPlan& plan, const std::vector<bool>& runs, Layout& layout) {
  RowSet set;
  std::vector<int32_t> index, positions;
  std::vector<std::vector<int32_t>> kv_slots(plan.groups.size());
  std::vector<std::vector<AttentionSegment>> segments(plan.groups.size());
  std::vector<StateSegment> state_segments;
  for (size_t which = 0; which < plan.segments.size(); ++which) {
    if (!runs[which]) {
      set.all = false;
      continue;
    }
    const Segment& segment = plan.segments[which];
    const int32_t row_begin = static_cast<int32_t>(index.size());
    for (int32_t row = segment.row_begin; row < segment.row_begin + segment.row_count; ++row) {
      index.push_back(row);
      positions.push_back(plan.positions[row]);
      for (size_t group = 0; group < plan.groups.size(); ++group) {
        kv_slots[group].push_back(plan.groups[group].kv_slots[row]);
      }
    }
    for (size_t group = 0; group < plan.groups.size(); ++group) {
      const GroupPlan& from = plan.groups[group];
      segments[group].push_back({row_begin, segment.row_count, from.page_begin[which],
                                 segment.committed, from.tail_begin[which],
                                 from.tail_stride[which]});
    }
    if (!plan.states.to.empty()) {
      state_segments.push_back({row_begin, segment.row_count, plan.states.from[which],
                                plan.states.to[which], segment.node_begin});
    }
    ++set.segments;
  }
  set.rows = static_cast<int>(index.size());
  if (!set.all) set.index = layout.array(index);
  set.positions = layout.array(positions);
  for (size_t group = 0; group < plan.groups.size(); ++group) {
    set.groups.push_back({layout.array(kv_slots[group]), layout.structs(segments[group])});
  }
  if (!state_segments.empty()) set.state_segments = layout.structs(state_segments);
  return set;
}

void lay_out_row_sets(const StepPlan& plan, Layout& layout, Batch& batch) {
  std::map<std::vector<bool>, int> known;
  const std::vector<bool> everyone(plan.segments.size(), true);
  batch.row_sets.push_back(lay_out_row_set(plan, everyone, layout));
  known[everyone] = 0;
  const size_t sites = plan.verdicts.empty() ? 0 : plan.verdicts.front().size();
  for (size_t site = 0; site < sites; ++site) {
    std::vector<bool> runs(plan.segments.size());
    for (size_t which = 0; which < plan.segments.size(); ++which) {
      runs[which] = plan.verdicts[plan.segments[which].verdict_row][site] == Verdict::kRun;
    }
    if (std::none_of(runs.begin(), runs.end(), [](bool run) { return run; })) {
      batch.set_of_site.push_back(-1);
      continue;
    }
    const auto [found, is_new] = known.emplace(runs, static_cast<int>(batch.row_sets.size()));
    if (is_new) batch.row_sets.push_back(lay_out_row_set(plan, runs, layout));
    batch.set_of_site.push_back(found->second);
  }
}

void lay_out_pieces(const StepPlan& plan, int rows_per_piece, Layout& layout, Batch& batch) {
  size_t next_sample = 0;
  for (size_t begin = 0; begin < plan.logit_rows.size(); begin += rows_per_piece) {
    const size_t end = std::min(begin + rows_per_piece, plan.logit_rows.size());
    Batch::LogitPiece piece;
    piece.rows = layout.array(
        std::vector<int32_t>(plan.logit_rows.begin() + begin, plan.logit_rows.begin() + end));
    piece.sample_begin = static_cast<int>(next_sample);
    std::vector<SampleRow> samples;
    while (next_sample < plan.samples.size() &&
           plan.samples[next_sample].logits_row < static_cast<int64_t>(end)) {
      samples.push_back(plan.samples[next_sample++]);
      samples.back().logits_row -= static_cast<int32_t>(begin);
    }
    piece.sample_count = static_cast<int>(samples.size());
    piece.samples = layout.structs(samples);
    batch.pieces.push_back(piece);
  }
  CHECK_EQ(next_sample, plan.samples.size());
}

}  // namespace

int64_t BatchLimits::integers_max() const {
  constexpr int64_t kBiasMax = 2048;  // entries of one sample row: logit bias and banned ids
  constexpr int64_t kSampleIntegers = sizeof(SampleRow) / sizeof(int32_t);
  constexpr int64_t kSegmentIntegers = sizeof(AttentionSegment) / sizeof(int32_t);
  constexpr int64_t kStateIntegers = sizeof(StateSegment) / sizeof(int32_t);
  const int64_t rows = rows_max, sequences = sequences_max;
  const int64_t segments = 2 * sequences;
  const int64_t pages_per_sequence = (positions_max + kKvBlockTokens - 1) / kKvBlockTokens + 1;
  const int64_t per_group = 3 * rows + segments * pages_per_sequence + rows * Verify::kMaxPath;
  const int64_t per_set = 2 * rows + groups * (rows + segments * kSegmentIntegers) +
                          (states ? segments * kStateIntegers : 0);
  const int64_t per_row = 16 + kSampleIntegers + Verify::kMaxPath + 2 * kBiasMax;
  const int64_t state_slots = states ? rows + 2 * sequences : 0;  // of nodes, and copies
  // Prefix hits of every sequence at once: token, slot and position of each.
  const int64_t cached = 3 * sequences * positions_max;
  // Every array starts on a cache line of its own.
  const int64_t arrays = 64 + 8 * groups + (sites_max + 1) * (3 + 2 * groups) + 2 * rows;
  return rows * per_row + cached + state_slots + groups * per_group + (sites_max + 1) * per_set +
         arrays * kAlignIntegers;
}

BatchMemory allocate_batch_memory(Region& region, const BatchLimits& limits) {
  BatchMemory memory;
  const int64_t samples_max = limits.rows_max;
  memory.integers = region.allocate(DType::kI32, {limits.integers_max()});
  memory.tokens = region.allocate(
      DType::kI32, {limits.rows_max + int64_t{limits.sequences_max} * limits.positions_max});
  memory.last_tokens = region.allocate(DType::kI32, {limits.sequences_max});
  memory.history = region.allocate(DType::kI32, {limits.sequences_max, limits.positions_max});
  memory.results = region.allocate(DType::kI32, {samples_max});
  memory.logprobs = region.allocate(DType::kF32, {samples_max, 1 + Sample::kMaxLogprobs});
  memory.logprob_ids = region.allocate(DType::kI32, {samples_max, 1 + Sample::kMaxLogprobs});
  memory.accepted = region.allocate(DType::kI32, {limits.sequences_max, Verify::kMaxPath});
  return memory;
}

Batch build_batch(const StepPlan& plan, const BatchLimits& limits, const BatchMemory& memory,
                  Stream& stream) {
  CHECK_LE(plan.rows(), limits.rows_max);
  Batch batch;
  batch.plan = &plan;
  batch.rows = plan.rows();
  Layout layout(memory.integers);
  batch.references = layout.array(joined(plan.references, plan.cached_tokens));
  batch.slots = layout.array(joined(plan.slots, plan.cached_slots));
  batch.positions = layout.array(joined(plan.positions, plan.cached_positions));
  lay_out_row_sets(plan, layout, batch);
  for (const GroupPlan& group : plan.groups) {
    batch.groups.push_back({layout.array(group.pages), layout.array(group.tails),
                            layout.array(group.node_slots), layout.array(group.copy_from),
                            layout.array(group.copy_to)});
  }
  batch.states = {layout.array(plan.states.node_slots), layout.array(plan.states.copy_from),
                  layout.array(plan.states.copy_to)};
  lay_out_pieces(plan, limits.logit_rows_max, layout, batch);
  batch.paths = layout.array(plan.paths);
  batch.bias_ids = layout.array(plan.bias_ids);
  batch.bias_values = layout.array(plan.bias_values);
  batch.trees = layout.structs(plan.trees);
  batch.parents = layout.array(plan.parents);
  batch.node_tokens = layout.array(plan.node_tokens);
  layout.upload(stream);
  return batch;
}

}  // namespace tessera
