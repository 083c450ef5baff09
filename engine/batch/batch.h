// A Batch is a StepPlan laid out as device arrays: every integer array of the plan is copied into
// one buffer by one upload, and handed out as views. Made by a rank worker for each step, on the
// engine thread; the views are valid until the next step of the same buffer.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/batch/step_plan.h"
#include "kernels/core/memory.h"
#include "kernels/core/stream.h"

namespace tessera {

// Where a rank keeps what outlives a step, and how large a step may be. Allocated at load.
struct BatchLimits {
  int rows_max = 0;              // T
  int sequences_max = 0;         // slots
  int positions_max = 0;         // P, the longest context
  int groups = 1;                // attention groups
  bool states = false;           // some layer is recurrent
  int sites_max = 1;             // residual branches; each may compute another set of rows
  int logit_rows_max = 64;       // rows of logits computed at once
  int64_t integers_max() const;  // capacity of one step's buffer
};

struct BatchMemory {
  Tensor integers;     // [integers_max]  i32
  Tensor tokens;       // [rows_max + cached]  i32, resolved on the device
  Tensor last_tokens;  // [slots]  i32
  Tensor history;      // [slots, P]  i32
  Tensor results;      // [samples_max]  i32 tokens
  Tensor logprobs;     // [samples_max, 1 + kMaxLogprobs]  f32
  Tensor logprob_ids;  // [samples_max, 1 + kMaxLogprobs]  i32
  Tensor accepted;     // [trees_max, kMaxPath]  i32
};
BatchMemory allocate_batch_memory(Region& region, const BatchLimits& limits);

// The segments of one attention group, restricted to one set of rows.
struct GroupSegments {
  Tensor kv_slots;  // [T']  i32
  Tensor segments;  // [S', sizeof(AttentionSegment)]  u8
};

// The rows that compute at a site: all, or those of the segments whose verdict is kRun.
struct RowSet {
  bool all = true;
  int rows = 0;
  int segments = 0;
  Tensor index;      // [T']  i32 rows of the step; empty when all
  Tensor positions;  // [T']  i32
  std::vector<GroupSegments> groups;
  Tensor modulation;      // [T']  i32 rows of the modulation; empty where branches have no gates
  Tensor state_segments;  // [S', sizeof(StateSegment)]  u8, empty without recurrent layers
};

struct Batch {
  const StepPlan* plan = nullptr;
  int rows = 0;
  Tensor references, slots, positions;  // [T + cached]  i32, cached tokens last
  std::vector<RowSet> row_sets;         // [0] is all rows
  std::vector<int> set_of_site;         // row set of each site; -1 = nobody computes
  struct Group {
    Tensor pages, tails, node_slots, copy_from, copy_to;  // [*]  i32
  };
  std::vector<Group> groups;
  struct States {
    Tensor node_slots, copy_from, copy_to;  // [*]  i32
  };
  States states;
  // Rows with logits, cut into pieces of logit_rows_max, each with the samples drawn from it.
  struct LogitPiece {
    Tensor rows;     // [R']  i32
    Tensor samples;  // [n', sizeof(SampleRow)]  u8; logits_row counts within the piece
    int sample_begin = 0;
    int sample_count = 0;
  };
  std::vector<LogitPiece> pieces;
  Tensor paths, bias_ids, bias_values;
  Tensor trees, parents, node_tokens;
};

// Lays out `plan` (which must outlive the batch) and appends the upload to `stream`.
// REQUIRES: the plan is within `limits`; samples are sorted by logits_row.
Batch build_batch(const StepPlan& plan, const BatchLimits& limits, const BatchMemory& memory,
                  Stream& stream);

}  // namespace tessera
