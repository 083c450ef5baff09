// A ledger with a loop around it for tests: plans, reserves and commits steps, and recounts.
#pragma once

#include <gtest/gtest.h>

#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "engine/schedule/ledger.h"
#include "engine/schedule/snapshots.h"

namespace tessera {

inline std::vector<int32_t> some_tokens(int64_t count, int32_t first = 1) {
  std::vector<int32_t> tokens(count);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

inline LedgerShape one_group(int64_t blocks, GroupSpec spec = {}) {
  LedgerShape shape;
  shape.cache = {.groups = {spec}, .blocks = {blocks}};
  return shape;
}

class LedgerRig {
 public:
  explicit LedgerRig(LedgerShape shape, const std::string& order = "fcfs")
      : ledger(std::move(shape)), order_(make_order(order)) {}

  void admit(SequenceId id, std::vector<int32_t> prompt, int64_t output_max,
             SequenceId fork_of = kNoSequence) {
    SequenceSpec spec;
    spec.id = id;
    spec.prompt = std::move(prompt);
    spec.max_tokens_total = static_cast<int64_t>(spec.prompt.size()) + output_max;
    spec.arrival_seconds = static_cast<double>(id);
    spec.fork_of = fork_of;
    ledger.admit(std::move(spec));
  }

  // Plans and reserves; the reservation's step is 0 where nothing was granted.
  Reservation launch() {
    const StepSnapshot seen = ledger.snapshot(*order_, 0);
    decision = plan_step(seen, limits, *order_);
    EXPECT_EQ(absl::StrJoin(check_decision(seen, limits, decision), "\n"), "");
    Reservation reservation = ledger.reserve(decision);
    EXPECT_EQ(absl::StrJoin(ledger.recount(), "\n"), "");
    return reservation;
  }

  // Every sampling grant appends `token` (verify: that many as accepted drafts say).
  CommitReport collect(const Reservation& reservation, int32_t token = 7, int64_t accepted = 0,
                       bool finished = false) {
    StepOutcome outcome{.step = reservation.step, .grants = {}};
    for (const ReservedRows& rows : reservation.rows) {
      GrantOutcome grant;
      if (rows.grant.samples) {
        const int64_t drafts = rows.grant.kind == RowKind::kVerify ? accepted : 0;
        grant.tokens.assign(1 + drafts, token);
        grant.finished = finished;
      }
      outcome.grants.push_back(std::move(grant));
    }
    CommitReport report = ledger.commit(outcome);
    EXPECT_EQ(absl::StrJoin(ledger.recount(), "\n"), "");
    return report;
  }

  CommitReport step() { return collect(launch()); }

  // Steps until everything has ended; false when that takes more than `steps_max` steps. Who is
  // named as stuck is cancelled and counted.
  bool drain(int64_t steps_max) {
    for (; steps_max > 0 && !ledger.idle(); --steps_max) {
      const Reservation reservation = launch();
      preemptions += static_cast<int64_t>(decision.preempted.size());
      if (decision.stuck != kNoSequence) {
        ledger.cancel(decision.stuck);
        ++stuck;
      }
      if (reservation.step != 0) collect(reservation);
    }
    return ledger.idle();
  }

  Ledger ledger;
  StepLimits limits{.tokens_per_step = 64, .seqs_max = 8, .watermark = 0};
  StepDecision decision;  // of the last launch
  int64_t preemptions = 0, stuck = 0;

 private:
  std::unique_ptr<AdmissionOrder> order_;
};

}  // namespace tessera
