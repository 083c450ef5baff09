// The part of the planner that hands out rows for drafts.
#include <algorithm>

#include "engine/schedule/planner.h"

namespace tessera::internal {

// Drafts are shrunk before anybody is refused, but prompts alone would leave them nothing: while
// prompts wait, drafts may have half of the rows that are left.
void Planner::hold_rows_for_drafts(bool best_effort) {
  int64_t wanted = 0;
  auto emitted = static_cast<double>(decision_.grants.size());
  for (const Running& running : running_) {
    const SequenceView& seq = *running.seq;
    if (!running.granted || seq.best_effort != best_effort || seq.in_prompt()) continue;
    wanted += drafts_that_pay(seq, seq.rows_wanted - 1, emitted);
  }
  const int64_t held = std::min(wanted, tokens_ / 2);
  tokens_ -= held;
  draft_rows_held_ += held;
}

// Drafts that rows, state slots and blocks are left for.
int64_t Planner::drafts_that_fit(const SequenceView& seq) const {
  int64_t drafts = std::min(seq.rows_wanted - 1, tokens_);
  if (snapshot_.state_slots_total > 0) drafts = std::min(drafts, slots_);
  const auto blocks_fit = [&](int64_t rows) {
    for (size_t group = 0; group < available_.size(); ++group) {
      const int index = static_cast<int>(group);
      const int64_t more = seq.blocks_for(index, rows) - seq.blocks_for(index, 1);
      if (more > 0 && more + promised_[group] > available_[group]) return false;
    }
    return true;
  };
  while (drafts > 0 && !blocks_fit(1 + drafts)) --drafts;
  return drafts;
}

// As many drafts as let the step emit the most tokens per second, within its time. `emitted` is
// what the step is expected to emit so far; the i-th draft adds to it when all before it are
// accepted too.
int64_t Planner::drafts_that_pay(const SequenceView& seq, int64_t drafts_max,
                                 double& emitted) const {
  if (limits_.cost == nullptr || limits_.cost->empty()) return drafts_max;
  const double target = limits_.step_time_target_seconds;
  double best_rate = emitted / limits_.cost->predict(decision_.shape);
  double best_emitted = emitted, sum = emitted, accepted = 1;
  int64_t best = 0;
  for (int64_t drafts = 1; drafts <= drafts_max; ++drafts) {
    StepShape shape = decision_.shape;
    shape.extend(seq.next_position + 1, drafts);
    const double seconds = limits_.cost->predict(shape);
    if (target > 0 && seconds > target) break;
    accepted *= seq.draft_acceptance;
    sum += accepted;
    if (sum < best_rate * seconds) continue;
    best_rate = sum / seconds;
    best_emitted = sum;
    best = drafts;
  }
  emitted = best_emitted;
  return best;
}

void Planner::grant_drafts() {
  tokens_ += draft_rows_held_;
  double emitted = 0;
  for (const Grant& grant : decision_.grants) emitted += grant.samples ? 1 : 0;
  for (const Running& running : running_) {
    const SequenceView& seq = *running.seq;
    if (!running.granted || seq.in_prompt() || seq.rows_wanted <= 1 || seq.in_flight > 0) continue;
    const int64_t drafts = drafts_that_pay(seq, drafts_that_fit(seq), emitted);
    if (drafts == 0) continue;
    for (size_t group = 0; group < available_.size(); ++group) {
      const int index = static_cast<int>(group);
      available_[group] -= seq.blocks_for(index, 1 + drafts) - seq.blocks_for(index, 1);
    }
    Grant& grant = decision_.grants[running.grant];
    grant.kind = RowKind::kVerify;
    grant.rows = 1 + drafts;
    decision_.shape.extend(seq.next_position + 1, drafts);
    tokens_ -= drafts;
    if (snapshot_.state_slots_total > 0) slots_ -= drafts;
  }
}

}  // namespace tessera::internal
