// The part of the planner that hands out rows for drafts.
#include <algorithm>

#include "engine/schedule/planner.h"

namespace tessera::internal {

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

void Planner::grant_drafts() {
  tokens_ += draft_rows_held_;
  const bool timed = limits_.cost != nullptr && limits_.step_time_target_seconds > 0;
  for (const Running& running : running_) {
    const SequenceView& seq = *running.seq;
    if (!running.granted || seq.in_prompt() || seq.rows_wanted <= 1 || seq.in_flight > 0) continue;
    int64_t drafts = std::min(seq.rows_wanted - 1, tokens_);
    if (snapshot_.state_slots_total > 0) drafts = std::min(drafts, slots_);
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
    if (snapshot_.state_slots_total > 0) slots_ -= drafts;
  }
}

}  // namespace tessera::internal
