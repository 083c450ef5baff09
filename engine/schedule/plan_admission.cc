// The part of the planner that lets waiting sequences in.
#include <algorithm>

#include "engine/schedule/admission.h"
#include "engine/schedule/planner.h"

namespace tessera::internal {

// Blocks that the rest of a prompt takes at most, beyond those the sequence holds.
Blocks Planner::admission_need(const SequenceView& seq) const {
  Blocks need;
  for (size_t group = 0; group < snapshot_.groups.size(); ++group) {
    const SequencePages& held = seq.groups[group];
    const int64_t length = std::min(seq.fill_len, held.end);
    const int64_t peak = length > seq.next_position ? prompt_blocks(snapshot_.groups[group].spec,
                                                                    length, limits_.tokens_per_step)
                                                    : 0;
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

}  // namespace tessera::internal
