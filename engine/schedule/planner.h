// The working state of one plan_step call; private to its files. Takes the classes in turn: decode
// rows, then chunks of prompts in progress, then admissions, and drafts from what is left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "engine/schedule/admission_order.h"
#include "engine/schedule/snapshot.h"
#include "engine/schedule/step_decision.h"

namespace tessera::internal {

using Blocks = absl::InlinedVector<int64_t, 2>;  // by group

class Planner {
 public:
  Planner(const StepSnapshot& snapshot, const StepLimits& limits, const AdmissionOrder& order);
  StepDecision plan();

 private:
  // A running sequence and what this step did with it.
  struct Running {
    const SequenceView* seq;
    bool granted = false, preempted = false;
    size_t grant = 0;  // index of a decode grant
  };

  bool blocks_fit(const SequenceView& seq, int64_t rows) const;
  bool blocks_fit_later(const SequenceView& seq, int64_t rows) const;
  int64_t rows_that_fit(const SequenceView& seq) const;
  void take_blocks(const SequenceView& seq, int64_t rows);
  void preempt(Running& victim);
  bool make_room(size_t rank, int64_t rows);
  void plan_class(bool best_effort);
  void grant_decodes(bool best_effort);
  void hold_rows_for_drafts(bool best_effort);
  void grant_chunks(bool best_effort);
  int64_t chunk_rows(const SequenceView& seq) const;
  void grant_chunk(const SequenceView& seq, int64_t rows);
  void admit_waiting(bool best_effort);
  bool admit(const SequenceView& seq);
  Blocks admission_need(const SequenceView& seq) const;
  void yield_to(const Blocks& need, bool place_needed);
  void grant_drafts();
  int64_t drafts_that_fit(const SequenceView& seq) const;
  int64_t drafts_that_pay(const SequenceView& seq, int64_t drafts_max, double& emitted) const;
  void break_deadlock();

  const StepSnapshot& snapshot_;
  const StepLimits& limits_;
  const AdmissionOrder& order_;
  StepDecision decision_;
  std::vector<Running> running_;              // best first: latency class, then best effort
  std::vector<const SequenceView*> waiting_;  // the same
  Blocks available_;                          // blocks that can still be taken in this step
  Blocks coming_;                             // blocks of leavers that steps in flight still use
  Blocks promised_;                           // blocks that prompts in progress still need
  int64_t tokens_ = 0, places_ = 0, slots_ = 0;
  int64_t draft_rows_held_ = 0;
  int64_t prompt_rows_ = 0;
  bool blocks_short_ = false;  // somebody running was refused: nobody is admitted
};

}  // namespace tessera::internal
