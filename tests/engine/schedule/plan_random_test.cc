// Properties of plan_step over random snapshots, most of them states no ledger would reach.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "absl/strings/str_join.h"
#include "engine/schedule/snapshots.h"

namespace tessera {
namespace {

class RandomSnapshots {
 public:
  explicit RandomSnapshots(uint32_t seed) : random_(seed) {}

  StepSnapshot make() {
    StepSnapshot snapshot;
    snapshot.now_seconds = pick(0, 100);
    snapshot.steps_in_flight = static_cast<int>(pick(0, 1));
    const int64_t groups = pick(1, 3);
    for (int64_t group = 0; group < groups; ++group) {
      const int64_t total = pick(1, 60);
      GroupView view{.spec = {}, .available = pick(0, 1) == 0 ? 0 : pick(0, total), .total = total};
      if (pick(0, 1) == 0) view.spec.window_tokens = pick(1, 100);
      snapshot.groups.push_back(view);
    }
    if (pick(0, 4) == 0) {
      snapshot.state_slots_total = 8;
      snapshot.state_slots_free = pick(0, 4);
    }
    SequenceId id = 0;
    for (int64_t count = pick(0, 8); count > 0; --count) {
      snapshot.running.push_back(sequence(++id, snapshot, true));
    }
    for (int64_t count = pick(0, 6); count > 0; --count) {
      snapshot.waiting.push_back(sequence(++id, snapshot, false));
    }
    snapshot.work_waits = !snapshot.waiting.empty();
    if (id > 0) snapshot.oldest = 1;
    return snapshot;
  }

  StepLimits limits() {
    StepLimits limits{.tokens_per_step = pick(1, 80),
                      .seqs_max = pick(1, 12),
                      .watermark = static_cast<double>(pick(0, 3)) / 10};
    if (pick(0, 2) == 0) {
      limits.cost = &cost_;
      limits.step_time_target_seconds = static_cast<double>(pick(0, 4)) / 100;
    }
    return limits;
  }
  int64_t pick(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }

 private:
  SequenceView sequence(SequenceId id, const StepSnapshot& snapshot, bool runs) {
    const bool prompt = !runs || pick(0, 1) == 0;
    const int64_t done = runs ? pick(0, 120) : 16 * pick(0, 3);
    SequenceView view = sequence_view(id, done, prompt ? done + pick(1, 120) : done);
    view.key.arrival_seconds = static_cast<double>(pick(0, 50));
    view.key.priority = static_cast<int32_t>(pick(0, 2));
    view.key.preemptions = static_cast<int32_t>(pick(0, 5));
    view.best_effort = pick(0, 3) == 0;
    view.fork_ready = !runs && pick(0, 4) == 0;
    if (prompt && pick(0, 3) == 0) view.chunk_max = pick(1, view.chunk_max);
    if (runs) {
      view.in_flight = static_cast<int32_t>(pick(0, snapshot.steps_in_flight));
      view.leaving = view.in_flight > 0 && pick(0, 3) == 0;
      view.blocked = view.leaving || (view.in_flight > 0 && pick(0, 2) == 0);
      view.token_in_flight = !prompt && view.in_flight > 0;
      view.rows_wanted = prompt ? 1 : pick(1, 9);
      view.draft_acceptance = static_cast<double>(pick(0, 10)) / 10;
      view.has_state_slot = snapshot.state_slots_total > 0;
    }
    view.groups.clear();
    for (size_t group = 0; group < snapshot.groups.size(); ++group) {
      SequencePages pages;
      pages.pages = pages_for(done);
      pages.live = pick(0, pages.pages);
      pages.exclusive = runs || view.fork_ready ? pick(0, pages.live) : 0;
      pages.copies = done % 16 != 0 && (runs || view.fork_ready) ? pick(0, 1) : 0;
      const bool may_revive = !runs && !view.fork_ready;
      pages.revived =
          may_revive ? std::min(pick(0, pages.live), snapshot.groups[group].available) : 0;
      if (pick(0, 4) == 0) pages.end = pick(1, 200);
      view.groups.push_back(pages);
    }
    return view;
  }
  std::mt19937 random_;
  const CostModel cost_{{{1, 0.005}, {16, 0.008}, {64, 0.04}}, 1e-5, 0};
};

TEST(PlanRandom, EveryDecisionKeepsTheRules) {
  RandomSnapshots snapshots(5);
  const auto fcfs = make_order("fcfs"), priority = make_order("priority");
  int64_t admitted = 0, preempted = 0, stuck = 0, verified = 0;
  for (int round = 0; round < 40000; ++round) {
    const StepSnapshot snapshot = snapshots.make();
    const StepLimits limits = snapshots.limits();
    const AdmissionOrder& order = round % 2 == 0 ? *fcfs : *priority;
    const StepDecision decision = plan_step(snapshot, limits, order);
    ASSERT_EQ(absl::StrJoin(check_decision(snapshot, limits, decision), "\n"), "") << round;
    const StepDecision again = plan_step(snapshot, limits, order);
    ASSERT_TRUE(again.grants == decision.grants && again.preempted == decision.preempted);
    admitted += static_cast<int64_t>(decision.admitted.size());
    preempted += static_cast<int64_t>(decision.preempted.size());
    stuck += decision.stuck != kNoSequence ? 1 : 0;
    for (const Grant& grant : decision.grants) verified += grant.kind == RowKind::kVerify ? 1 : 0;
  }
  EXPECT_GT(admitted, 1000);
  EXPECT_GT(preempted, 1000);
  EXPECT_GT(stuck, 100);
  EXPECT_GT(verified, 1000);
}

// The order of the lists in a snapshot means nothing.
TEST(PlanRandom, TheDecisionDependsOnTheSetOfSequencesOnly) {
  RandomSnapshots snapshots(6);
  std::mt19937 random(6);
  const auto order = make_order("priority");
  for (int round = 0; round < 5000; ++round) {
    StepSnapshot snapshot = snapshots.make();
    const StepLimits limits = snapshots.limits();
    const StepDecision decision = plan_step(snapshot, limits, *order);
    std::shuffle(snapshot.running.begin(), snapshot.running.end(), random);
    std::shuffle(snapshot.waiting.begin(), snapshot.waiting.end(), random);
    const StepDecision again = plan_step(snapshot, limits, *order);
    ASSERT_EQ(again.grants, decision.grants);
    ASSERT_EQ(again.preempted, decision.preempted);
    ASSERT_EQ(again.stuck, decision.stuck);
  }
}

// A latency sequence is never preempted while a best-effort one keeps what could be taken back.
TEST(PlanRandom, BestEffortGoesFirst) {
  RandomSnapshots snapshots(8);
  const auto order = make_order("fcfs");
  int64_t cases = 0;
  for (int round = 0; round < 20000; ++round) {
    const StepSnapshot snapshot = snapshots.make();
    const StepDecision decision = plan_step(snapshot, snapshots.limits(), *order);
    const std::set<SequenceId> gone(decision.preempted.begin(), decision.preempted.end());
    bool latency_gone = false, background_left = false;
    for (const SequenceView& seq : snapshot.running) {
      latency_gone |= !seq.best_effort && gone.contains(seq.key.id);
      background_left |= seq.best_effort && !seq.leaving && !gone.contains(seq.key.id);
    }
    cases += latency_gone ? 1 : 0;
    ASSERT_FALSE(latency_gone && background_left) << round;
  }
  EXPECT_GT(cases, 100);
}

}  // namespace
}  // namespace tessera
