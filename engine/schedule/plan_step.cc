#include "engine/schedule/plan_step.h"

#include <algorithm>
#include <cstddef>

namespace tessera {
namespace {

// Prompt rows that the first prompt of a step gets however long the step already is: without them a
// prompt could wait for ever behind a target that decode alone exceeds.
constexpr int64_t kChunkRowsMin = 16;

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
    // Nor is memory taken back in a step that has admitted somebody.
    if (blocks_fit_later(seq, rows) || !decision_.admitted.empty()) break;
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

// Drafts are shrunk before anybody is refused, but prompts alone would leave them nothing: while
// prompts wait, drafts may have half of the rows that are left.
void Planner::hold_rows_for_drafts(bool best_effort) {
  int64_t wanted = 0;
  for (const Running& running : running_) {
    if (running.granted && running.seq->best_effort == best_effort) {
      wanted += running.seq->in_prompt() ? 0 : running.seq->rows_wanted - 1;
    }
  }
  const int64_t held = std::min(wanted, tokens_ / 2);
  tokens_ -= held;
  draft_rows_held_ += held;
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

// Blocks that the rest of a prompt takes at most, beyond those the sequence holds.
Blocks Planner::admission_need(const SequenceView& seq) const {
  Blocks need;
  for (size_t group = 0; group < snapshot_.groups.size(); ++group) {
    const SequencePages& held = seq.groups[group];
    const int64_t length = std::min(seq.fill_len, held.end);
    // With a second step in flight, two chunks are held before the first one's window moves on.
    const int64_t peak = length <= seq.next_position ? 0
                                                     : snapshot_.groups[group].spec.pages_peak(
                                                           length, 2 * limits_.tokens_per_step);
    need.push_back(std::max<int64_t>(0, peak - held.live) + held.copies + held.revived);
  }
  return need;
}

void Planner::admit_waiting(bool best_effort) {
  for (const SequenceView* seq : waiting_) {
    if (seq->best_effort != best_effort) continue;
    if (blocks_short_ || !decision_.preempted.empty() || tokens_ == 0) return;
    if (!admit(*seq)) return;  // nobody overtakes, so nobody starves
  }
}

bool Planner::admit(const SequenceView& seq) {
  const Blocks need = admission_need(seq);
  const bool slot_needed = snapshot_.state_slots_total > 0 && !seq.has_state_slot;
  const bool place_needed = places_ <= 0 || (slot_needed && slots_ == 0);
  bool fits = !place_needed;
  for (size_t group = 0; group < available_.size(); ++group) {
    const GroupView& pool = snapshot_.groups[group];
    // The watermark leaves room for running outputs to grow; alone there is nobody to leave it to.
    const bool alone = snapshot_.running.empty() && decision_.grants.empty();
    const auto spare = static_cast<int64_t>(limits_.watermark * static_cast<double>(pool.total));
    fits &= need[group] + promised_[group] + (alone ? 0 : spare) <= available_[group];
  }
  if (!fits) {
    if (!seq.best_effort && decision_.admitted.empty()) yield_to(need, place_needed);
    return false;
  }
  const int64_t rows = chunk_rows(seq);
  if (rows == 0) return false;
  for (size_t group = 0; group < available_.size(); ++group) {
    available_[group] -= seq.groups[group].revived;
    const int64_t taken = seq.blocks_for(static_cast<int>(group), rows);
    promised_[group] += std::max<int64_t>(0, need[group] - seq.groups[group].revived - taken);
  }
  grant_chunk(seq, rows);
  decision_.admitted.push_back(seq.key.id);
  --places_;
  if (slot_needed) --slots_;
  return true;
}

// Best effort gives way to a waiting sequence of the latency class, if that is of any use.
void Planner::yield_to(const Blocks& need, bool place_needed) {
  std::vector<size_t> victims;
  Blocks gain = coming_;
  bool place_comes = false;
  for (const SequenceView& leaver : snapshot_.running) place_comes |= leaver.leaving;
  const auto enough = [&] {
    if (place_needed && !place_comes) return false;
    for (size_t group = 0; group < gain.size(); ++group) {
      if (need[group] + promised_[group] > available_[group] + gain[group]) return false;
    }
    return true;
  };
  for (size_t rank = running_.size(); rank-- > 0 && !enough();) {
    const Running& victim = running_[rank];
    if (!victim.seq->best_effort || victim.preempted || victim.seq->pinned) continue;
    victims.push_back(rank);
    place_comes = true;
    for (size_t group = 0; group < gain.size(); ++group) {
      gain[group] += victim.seq->groups[group].exclusive;
    }
  }
  if (!enough()) return;
  for (const size_t rank : victims) preempt(running_[rank]);
}

void Planner::grant_drafts() {
  tokens_ += draft_rows_held_;
  const bool timed = limits_.cost != nullptr && limits_.step_time_target_seconds > 0;
  for (const Running& running : running_) {
    const SequenceView& seq = *running.seq;
    if (!running.granted || seq.in_prompt() || seq.rows_wanted <= 1 || seq.in_flight > 0) continue;
    if (snapshot_.state_slots_total > 0 && slots_ == 0) continue;
    int64_t drafts = std::min(seq.rows_wanted - 1, tokens_);
    if (timed) {
      drafts =
          std::min(drafts, limits_.cost->rows_within(decision_.shape, seq.next_position + 1, drafts,
                                                     limits_.step_time_target_seconds));
    }
    const auto fits = [&](int64_t rows) {
      for (size_t group = 0; group < available_.size(); ++group) {
        const int index = static_cast<int>(group);
        const int64_t more = seq.blocks_for(index, rows) - seq.blocks_for(index, 1);
        if (more > 0 && more + promised_[group] > available_[group]) return false;
      }
      return true;
    };
    while (drafts > 0 && !fits(1 + drafts)) --drafts;
    if (drafts == 0) continue;
    for (size_t group = 0; group < available_.size(); ++group) {
      const int index = static_cast<int>(group);
      available_[group] -= seq.blocks_for(index, 1 + drafts) - seq.blocks_for(index, 1);
    }
    Grant& grant = decision_.grants[running.grant];
    grant.kind = RowKind::kVerify;
    grant.rows = 1 + drafts;
    decision_.shape.rows += drafts;
    decision_.shape.contexts += drafts;
    decision_.shape.pairs += drafts * (seq.next_position + 1) + drafts * (drafts + 1) / 2;
    tokens_ -= drafts;
    if (snapshot_.state_slots_total > 0) --slots_;
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

}  // namespace

StepDecision plan_step(const StepSnapshot& snapshot, const StepLimits& limits,
                       const AdmissionOrder& order) {
  return Planner(snapshot, limits, order).plan();
}

}  // namespace tessera
