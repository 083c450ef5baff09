// A StepPlan is everything that ranks need to execute one step, as plain serialisable data: one
// rank makes it, every rank executes it, no rank decides. Token ids may be literals or references
// to what a slot sampled last, so that a plan can be made while the step before it is still
// running.
//
// Owned by the engine thread until launched; ranks receive its bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/api/ids.h"
#include "kernels/ops/attention.h"
#include "kernels/ops/sample.h"

namespace tessera {

// What one residual branch does for one segment in this step.
enum class Verdict : uint8_t { kRun, kSkip };

enum class SegmentKind : uint8_t { kPrompt, kDecode, kVerify };

// A run of rows of one sequence.
struct Segment {
  SequenceId sequence = kNoSequence;
  int32_t slot = 0;
  SegmentKind kind = SegmentKind::kPrompt;
  int32_t row_begin = 0;
  int32_t row_count = 0;
  int32_t committed = -1;   // verify: positions below come from pages in order; else -1
  int32_t node_begin = -1;  // verify: entry of the first row in StepPlan::parents; else -1
  int32_t verdict_row = 0;  // row of StepPlan::verdicts
};

// What differs between attention groups: where rows are stored and which pages a segment reads.
struct GroupPlan {
  std::vector<int32_t> kv_slots;    // [T]  -1 = not stored (a group the sequence no longer fills)
  std::vector<int32_t> page_begin;  // [S]  into `pages`
  std::vector<int32_t> pages;
  std::vector<int32_t> tail_begin;          // [S]  into `tails`; 0 for plain segments
  std::vector<int32_t> tail_stride;         // [S]
  std::vector<int32_t> tails;               // KV slots, see AttentionSegment
  std::vector<int32_t> node_slots;          // [nodes]  KV slot of each tree node
  std::vector<int32_t> copy_from, copy_to;  // pages copied before anything else runs
};

// The state slots of recurrent layers, the same in each. All empty for models without such layers.
struct StatePlan {
  std::vector<int32_t> from;  // [S]  slot of the state before the first row; -1 = zeros
  std::vector<int32_t> to;    // [S]  slot of the state after the last row, or the accepted one
  std::vector<int32_t> node_slots;          // [nodes]  slot of the state after each tree node
  std::vector<int32_t> copy_from, copy_to;  // states copied before anything else runs
};

struct StepPlan {
  StepId id = 0;
  std::vector<int32_t> references;  // [T]  token id, or -(slot + 1): what the slot sampled last
  std::vector<int32_t> slots;      // [T]  sequence slot whose history the row belongs to; -1 = none
  std::vector<int32_t> positions;  // [T]
  // Tokens of prefix-cache hits: not computed, but history that penalties look at.
  std::vector<int32_t> cached_tokens, cached_slots, cached_positions;
  std::vector<Segment> segments;  // [S]  in row order, covering all rows
  std::vector<GroupPlan> groups;  // one per attention group
  StatePlan states;
  std::vector<std::vector<Verdict>> verdicts;  // distinct rows, [sites] each; row 0 runs everything

  std::vector<int32_t> logit_rows;  // [R]  rows whose logits are wanted, ascending
  std::vector<SampleRow> samples;   // [n]
  std::vector<int32_t> paths;       // of draft rows, see SampleRow
  std::vector<int32_t> bias_ids;
  std::vector<float> bias_values;

  std::vector<VerifyTree> trees;
  std::vector<int32_t> parents, node_tokens;  // [nodes]

  int rows() const { return static_cast<int>(references.size()); }
};

// A compact binary form with a version and a length; `parse_step_plan` checks every index against
// its bound, because a plan may come from another process.
std::vector<std::byte> serialize(const StepPlan& plan);
absl::StatusOr<StepPlan> parse_step_plan(std::span<const std::byte> bytes);

// Every index inside its array, segments covering the rows in order, verdict rows of equal length.
absl::Status validate(const StepPlan& plan);

// What a step gave, downloaded by the first rank.
struct StepResult {
  std::vector<int32_t> tokens;       // [n]  per sample row; -1 = no valid token
  std::vector<float> logprobs;       // [n, 1 + Sample::kMaxLogprobs]
  std::vector<int32_t> logprob_ids;  // [n, 1 + Sample::kMaxLogprobs]
  std::vector<int32_t> accepted;     // [trees, Verify::kMaxPath]
  double device_seconds = 0;
};

}  // namespace tessera
