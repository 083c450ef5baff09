// What plan_step looks at: a copy of everything about the sequences and the KV memory that a
// decision depends on. Made by Ledger::snapshot on the engine thread; plain data.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "engine/cache/group_spec.h"
#include "engine/schedule/admission_order.h"
#include "engine/schedule/cost_model.h"

namespace tessera {

// One sequence in one attention group.
struct SequencePages {
  int64_t pages = 0;      // length of the block table; of a waiting one: its prefix hit
  int64_t live = 0;       // of these, pages it holds
  int64_t end = kNoEnd;   // positions at or beyond it are not stored in the group
  int64_t copies = 0;     // 1: the page of the next position is shared and is copied before a write
  int64_t revived = 0;    // waiting: hit blocks that nobody holds, which stop being available
  int64_t exclusive = 0;  // blocks that become available when it lets go
};

struct SequenceView {
  OrderKey key;
  bool best_effort = false;
  bool leaving = false;          // preempted or retiring, with steps in flight
  bool blocked = false;          // gets no rows until something of it commits
  bool pinned = false;           // a KV transfer uses its pages: it keeps them
  bool fork_ready = false;       // waiting, and holds the pages of its parent's prompt
  int64_t next_position = 0;     // first position without a granted row
  int64_t fill_len = 0;          // rows below it are prompt rows; the last of them samples
  int64_t chunk_max = 0;         // prompt rows that one chunk may hold
  int64_t expected_tokens = 0;   // tokens once everything in flight has committed
  bool token_in_flight = false;  // the token of the next decode row is still being computed
  int64_t rows_wanted = 1;       // decode rows: root and drafts, already within max_tokens_total
  double draft_acceptance = 1;   // chance of a draft whose parent is accepted
  int32_t in_flight = 0;
  bool has_state_slot = false;
  absl::InlinedVector<SequencePages, 2> groups;

  bool in_prompt() const { return next_position < fill_len; }
  int64_t prompt_left() const { return fill_len - next_position; }
  // Blocks that `rows` more rows take from this group's pool.
  int64_t blocks_for(int group, int64_t rows) const;
};

struct GroupView {
  GroupSpec spec;
  int64_t available = 0;  // blocks: free, or cached and unused
  int64_t total = 0;
};

struct StepSnapshot {
  double now_seconds = 0;
  int steps_in_flight = 0;
  std::vector<GroupView> groups;
  int64_t state_slots_total = 0, state_slots_free = 0;  // 0, 0 for models without state
  std::vector<SequenceView> running;                    // admitted, the leaving ones included
  std::vector<SequenceView> waiting;  // the next candidates of each class; forks that wait for a
                                      // prompt are not among them
  bool work_waits = false;            // somebody waits, among `waiting` or not
  SequenceId oldest = kNoSequence;    // of all that wait or run and are not retiring
};

// Bounds of one step. `cost` may be null: then only the hard cap limits.
struct StepLimits {
  int64_t tokens_per_step = 512;
  int64_t seqs_max = 64;
  double watermark = 0.02;              // fraction of each pool kept free at admission
  double step_time_target_seconds = 0;  // 0 = none
  const CostModel* cost = nullptr;
};

}  // namespace tessera
