#include "engine/schedule/plan_step.h"

#include <algorithm>
#include <utility>

#include "engine/schedule/planner.h"

namespace tessera {
namespace internal {
namespace {

// Prompt rows that the first prompt of a step gets however long the step already is: without them a
// prompt could wait for ever behind a target that decode alone exceeds.
constexpr int64_t kChunkRowsMin = 16;

template <class Ranked>
void rank_by(const AdmissionOrder& order, double now, std::vector<Ranked>& sequences,
             const SequenceView& (*view)(const Ranked&)) {
  std::sort(sequences.begin(), sequences.end(), [&](const Ranked& left, const Ranked& right) {
    const SequenceView &a = view(left), &b = view(right);
    if (a.best_effort != b.best_effort) return b.best_effort;
    // A fork that holds pages goes first: running it is the way to get them back.
    if (a.fork_ready != b.fork_ready) return a.fork_ready;
    return goes_before(order, a.key, b.key, now);
  });
}

}  // namespace

Planner::Planner(const StepSnapshot& snapshot, const StepLimits& limits,
                 const AdmissionOrder& order)
    : snapshot_(snapshot), limits_(limits), order_(order) {
  for (const GroupView& group : snapshot.groups) available_.push_back(group.available);
  coming_.assign(available_.size(), 0);
  promised_.assign(available_.size(), 0);
  tokens_ = limits.tokens_per_step;
  slots_ = snapshot.state_slots_free;
  places_ = limits.seqs_max - static_cast<int64_t>(snapshot.running.size());
  for (const SequenceView& seq : snapshot.running) {
    if (!seq.leaving) running_.push_back({&seq});
    for (size_t group = 0; group < available_.size(); ++group) {
      if (seq.leaving) {
        coming_[group] += seq.groups[group].exclusive;
      } else if (seq.in_prompt()) {
        promised_[group] += admission_need(seq)[group];
      }
    }
  }
  for (const SequenceView& seq : snapshot.waiting) waiting_.push_back(&seq);
  rank_by<Running>(order_, snapshot.now_seconds, running_,
                   [](const Running& r) -> const SequenceView& { return *r.seq; });
  rank_by<const SequenceView*>(
      order_, snapshot.now_seconds, waiting_,
      [](const SequenceView* const& seq) -> const SequenceView& { return *seq; });
}

StepDecision Planner::plan() {
  plan_class(false);
  plan_class(true);
  grant_drafts();
  break_deadlock();
  std::stable_partition(decision_.grants.begin(), decision_.grants.end(),
                        [](const Grant& grant) { return grant.kind != RowKind::kPrompt; });
  return std::move(decision_);
}

void Planner::plan_class(bool best_effort) {
  grant_decodes(best_effort);
  hold_rows_for_drafts(best_effort);
  grant_chunks(best_effort);
  admit_waiting(best_effort);
}

bool Planner::blocks_fit(const SequenceView& seq, int64_t rows) const {
  for (size_t group = 0; group < available_.size(); ++group) {
    if (seq.blocks_for(static_cast<int>(group), rows) > available_[group]) return false;
  }
  return true;
}

bool Planner::blocks_fit_later(const SequenceView& seq, int64_t rows) const {
  for (size_t group = 0; group < available_.size(); ++group) {
    const int64_t later = available_[group] + coming_[group];
    if (seq.blocks_for(static_cast<int>(group), rows) > later) return false;
  }
  return true;
}

int64_t Planner::rows_that_fit(const SequenceView& seq) const {
  int64_t rows = seq.prompt_left();
  for (size_t group = 0; group < available_.size(); ++group) {
    const SequencePages& held = seq.groups[group];
    if (seq.blocks_for(static_cast<int>(group), rows) <= available_[group]) continue;
    const int64_t pages = held.pages + available_[group] - held.copies;
    rows = std::clamp<int64_t>(pages * kBlockTokens - seq.next_position, 0, rows);
    if (available_[group] < held.copies) rows = 0;
  }
  return rows;
}

void Planner::take_blocks(const SequenceView& seq, int64_t rows) {
  for (size_t group = 0; group < available_.size(); ++group) {
    available_[group] -= seq.blocks_for(static_cast<int>(group), rows);
  }
}

void Planner::preempt(Running& victim) {
  victim.preempted = true;
  decision_.preempted.push_back(victim.seq->key.id);
  Blocks& gain = victim.seq->in_flight == 0 ? available_ : coming_;
  for (size_t group = 0; group < available_.size(); ++group) {
    gain[group] += victim.seq->groups[group].exclusive;
    if (victim.seq->in_prompt()) promised_[group] -= admission_need(*victim.seq)[group];
  }
  if (victim.seq->has_state_slot && victim.seq->in_flight == 0) ++slots_;
}

// Takes memory back, last in order first, until the sequence at `rank` can have `rows` rows. False
// when it cannot in this step.
bool Planner::make_room(size_t rank, int64_t rows) {
  const SequenceView& seq = *running_[rank].seq;
  for (size_t last = running_.size(); !blocks_fit(seq, rows);) {
    if (blocks_fit_later(seq, rows)) break;
    // Nor is memory taken back while somebody better waits for blocks to come, or in a step that
    // has admitted somebody.
    if (blocks_short_ || !decision_.admitted.empty()) break;
    do {
      --last;
    } while (last > rank &&
             (running_[last].granted || running_[last].preempted || running_[last].seq->pinned));
    if (last <= rank) break;
    preempt(running_[last]);
  }
  const bool fits = blocks_fit(seq, rows);
  blocks_short_ |= !fits;
  return fits;
}

void Planner::grant_decodes(bool best_effort) {
  for (size_t rank = 0; rank < running_.size(); ++rank) {
    const SequenceView& seq = *running_[rank].seq;
    if (seq.best_effort != best_effort || running_[rank].preempted) continue;
    if (seq.blocked || seq.in_prompt() || tokens_ + draft_rows_held_ == 0) continue;
    if (!make_room(rank, 1)) continue;
    take_blocks(seq, 1);
    --(tokens_ > 0 ? tokens_ : draft_rows_held_);
    running_[rank].granted = true;
    running_[rank].grant = decision_.grants.size();
    decision_.shape.add(seq.next_position, 1);
    decision_.grants.push_back({.sequence = seq.key.id,
                                .kind = RowKind::kDecode,
                                .position = seq.next_position,
                                .rows = 1,
                                .samples = true,
                                .token_in_flight = seq.token_in_flight});
  }
}

int64_t Planner::chunk_rows(const SequenceView& seq) const {
  const int64_t rows = std::min({seq.chunk_max, tokens_, rows_that_fit(seq)});
  if (limits_.cost == nullptr || limits_.step_time_target_seconds <= 0) return rows;
  StepShape shape = decision_.shape;
  shape.rows += draft_rows_held_;
  const int64_t in_time =
      limits_.cost->rows_within(shape, seq.next_position, rows, limits_.step_time_target_seconds);
  const int64_t least = prompt_rows_ == 0 ? std::min(rows, kChunkRowsMin) : 0;
  return std::max(in_time, least);
}

void Planner::grant_chunk(const SequenceView& seq, int64_t rows) {
  take_blocks(seq, rows);
  tokens_ -= rows;
  prompt_rows_ += rows;
  decision_.shape.add(seq.next_position, rows);
  decision_.grants.push_back({.sequence = seq.key.id,
                              .kind = RowKind::kPrompt,
                              .position = seq.next_position,
                              .rows = rows,
                              .samples = rows == seq.prompt_left(),
                              .token_in_flight = false});
}

void Planner::grant_chunks(bool best_effort) {
  for (size_t rank = 0; rank < running_.size(); ++rank) {
    const SequenceView& seq = *running_[rank].seq;
    if (seq.best_effort != best_effort || running_[rank].preempted) continue;
    if (seq.blocked || !seq.in_prompt() || tokens_ == 0 || !make_room(rank, 1)) continue;
    const int64_t rows = chunk_rows(seq);
    if (rows == 0) continue;
    const Blocks before = admission_need(seq);
    grant_chunk(seq, rows);
    running_[rank].granted = true;
    for (size_t group = 0; group < available_.size(); ++group) {
      const int64_t taken = seq.blocks_for(static_cast<int>(group), rows);
      promised_[group] -= std::min(before[group], taken);
    }
  }
}

// When nothing can move and nothing in flight will change that, memory is held in a circle: forks
// that have not started give theirs back, then the last in order. Who is alone and still does not
// fit never will.
void Planner::break_deadlock() {
  if (!decision_.empty() || snapshot_.steps_in_flight > 0) return;
  for (const SequenceView& seq : snapshot_.running) {
    if (seq.pinned) return;
  }
  for (auto seq = waiting_.rbegin(); seq != waiting_.rend(); ++seq) {
    if ((*seq)->fork_ready) {
      decision_.preempted.push_back((*seq)->key.id);
      return;
    }
  }
  if (running_.size() > 1) {
    preempt(running_.back());
  } else if (running_.size() == 1) {
    decision_.stuck = running_.front().seq->key.id;
  } else if (!waiting_.empty()) {
    decision_.stuck = waiting_.front()->key.id;
  } else if (snapshot_.work_waits) {
    decision_.stuck = snapshot_.oldest;
  }
}

}  // namespace internal

StepDecision plan_step(const StepSnapshot& snapshot, const StepLimits& limits,
                       const AdmissionOrder& order) {
  return internal::Planner(snapshot, limits, order).plan();
}

}  // namespace tessera
