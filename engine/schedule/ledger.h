// The ledger: all sequences of one engine and their KV memory. It changes at three places only, all
// on the engine thread: admit (and cancel), reserve, commit. One step of the engine:
//
//   StepSnapshot seen = ledger.snapshot(order, now);
//   StepDecision decision = plan_step(seen, limits, order);
//   if (decision.stuck != kNoSequence) fail and cancel it;
//   if (!decision.empty()) reservation = ledger.reserve(decision);   // build and launch it if it
//   has
//   ...                                                              // grants
//   CommitReport report = ledger.commit({reservation.step, outcomes});  // oldest step first
//
// References to sequences and spans of block tables hold until the next call that is not const.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "engine/api/ids.h"
#include "engine/cache/kv_cache.h"
#include "engine/cache/slot_table.h"
#include "engine/schedule/admission.h"
#include "engine/schedule/admission_order.h"
#include "engine/schedule/recount.h"
#include "engine/schedule/sequence.h"
#include "engine/schedule/snapshot.h"
#include "engine/schedule/step_decision.h"

namespace tessera {

struct LedgerShape {
  KvCacheShape cache;          // may have no groups (constant-state models)
  bool prefix_caching = true;  // never with state slots, which keep no past states to be found
  int state_slots = 0;         // > 0: every running sequence holds a state slot
};

// One grant with its memory, in the order of the decision's grants.
struct ReservedRows {
  Grant grant;
  int64_t committed_len = 0;  // positions whose KV is final
  int64_t cached_tokens = 0;  // at the first grant after admission: positions found cached
  bool first = false;         // the first grant after admission
  absl::InlinedVector<absl::Span<const BlockId>, 2> tables;  // by group; see kv_slot
  StateSlots slots;                                          // constant-state models
};

struct Reservation {
  StepId step = 0;
  std::vector<ReservedRows> rows;
  std::vector<PageCopy> copies;         // done by the device before any row of the step writes
  std::vector<StateCopy> state_copies;  // the same
};

// What became of one grant. A prompt chunk that does not sample appends nothing; decode appends one
// token; verify the accepted drafts and one more.
struct GrantOutcome {
  std::vector<int32_t> tokens;
  bool finished = false;  // a stop was found; tokens end with the last one kept
};

struct StepOutcome {
  StepId step = 0;
  std::vector<GrantOutcome> grants;  // in the order of the reservation
};

struct CommitReport {
  std::vector<SequenceId> released;  // gone from the ledger
  std::vector<bool> counted;         // per grant: false where the row was surplus (the sequence had
                                     // finished or been cancelled before)
  int64_t published_pages = 0;
};

class Ledger {
 public:
  explicit Ledger(LedgerShape shape);

  // Queues a sequence. Bounds of the queue are the caller's (check_queue).
  void admit(SequenceSpec spec);
  // Ends a sequence: released now (true), or by the commit after which nothing of it is in flight.
  bool cancel(SequenceId id);
  // Root and drafts of its next decode step; 1 = no drafts. Back at 1 after each commit.
  void want_rows(SequenceId id, int64_t rows);

  StepSnapshot snapshot(const AdmissionOrder& order, double now_seconds) const;
  // Carries the decision out: preempts, admits with prefix hits, takes blocks, in_flight + 1. With
  // grants it opens a step that must be committed; without, the step is 0 and nothing is in flight.
  Reservation reserve(const StepDecision& decision);
  // Steps commit in the order of their reservations.
  CommitReport commit(const StepOutcome& outcome);

  // KV transfers. While pinned a sequence gets no rows and keeps its pages, even when retiring.
  void pin(SequenceId id);
  // True when this released it.
  bool unpin(SequenceId id);
  // A sequence whose first `committed` positions come from elsewhere (tokens = prompt and
  // `emitted`; committed = all but the root): it enters running and pinned, with pages for them.
  // False, and no change, when seqs_max, blocks or slots do not allow it.
  bool admit_prefilled(SequenceSpec spec, std::vector<int32_t> emitted, int64_t seqs_max);

  bool contains(SequenceId id) const { return sequences_.contains(id); }
  const Sequence& at(SequenceId id) const { return sequences_.at(id); }
  std::vector<SequenceId> expired(double now_seconds) const;  // past their deadline, not retiring
  QueueLoad load() const;
  int steps_in_flight() const { return static_cast<int>(steps_.size()); }
  bool idle() const { return sequences_.empty(); }
  const KvCache& cache() const { return cache_; }
  const SlotTable& slots() const { return slots_; }

  // Every invariant of engine/README.md that does not hold, in words.
  std::vector<std::string> recount() const { return tessera::recount(image()); }
  LedgerImage image() const;

 private:
  struct Step {
    StepId id;
    std::vector<Grant> grants;
    std::vector<PrefixIndex::BlockOf> drops;  // uses that end when this step has committed
  };
  Sequence& mutable_at(SequenceId id) { return sequences_.at(id); }
  absl::InlinedVector<int64_t, 2> ends_of(const Sequence& seq) const;
  bool shares_outputs(const Sequence& seq) const;
  PrefixHit find_hit(const Sequence& seq) const;
  int64_t chunk_end(const Sequence& seq, int64_t position) const;
  SequenceView view(const Sequence& seq) const;
  SequenceView waiting_view(const Sequence& seq) const;
  SequenceImage image_of(const Sequence& seq) const;

  void start(Sequence& seq, int64_t position);
  void preempt(Sequence& seq);
  void let_go(Sequence& seq);
  bool settle(Sequence& seq);
  void reserve_rows(const Grant& grant, std::vector<PageCopy>& copies);
  void apply(const Grant& grant, const GrantOutcome& outcome, Sequence& seq);
  int64_t publish(Sequence& seq);
  void fork_children(Sequence& parent);
  void orphan_children(Sequence& parent);
  int64_t fork_point(const Sequence& parent) const;
  bool share_state(const Sequence& parent, Sequence& child);
  void release_slots(Sequence& seq);
  void give_back(Sequence& seq);

  LedgerShape shape_;
  KvCache cache_;
  SlotTable slots_;
  std::vector<StateCopy> state_copies_;       // of forks, for the next step to do
  std::map<SequenceId, Sequence> sequences_;  // by id: every walk is in the same order
  std::deque<Step> steps_;                    // in flight, oldest first
  StepId last_step_ = 0;
};

}  // namespace tessera
