// One test per rule of the planner.
#include "engine/schedule/plan_step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_join.h"
#include "engine/schedule/snapshots.h"

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class PlanStep : public testing::Test {
 protected:
  StepDecision plan() {
    snapshot_.work_waits = !snapshot_.waiting.empty();
    const StepDecision decision = plan_step(snapshot_, limits_, *order_);
    EXPECT_EQ(absl::StrJoin(check_decision(snapshot_, limits_, decision), "\n"), "");
    return decision;
  }
  int64_t rows(const StepDecision& decision, SequenceId id) {
    const Grant* grant = grant_of(decision, id);
    return grant == nullptr ? 0 : grant->rows;
  }

  StepSnapshot snapshot_ = snapshot_of(100, 100);
  StepLimits limits_{.tokens_per_step = 64, .seqs_max = 8};
  std::unique_ptr<AdmissionOrder> order_ = make_order("fcfs");
};

TEST_F(PlanStep, DecodeGoesFirstAndPromptsFillTheBudget) {
  snapshot_.running = {prompting(1, 32, 300), decoding(2, 50), decoding(3, 9)};
  const StepDecision decision = plan();
  ASSERT_EQ(decision.grants.size(), 3u);
  EXPECT_EQ(decision.grants[0], (Grant{2, RowKind::kDecode, 50, 1, true, false}));
  EXPECT_EQ(decision.grants[1], (Grant{3, RowKind::kDecode, 9, 1, true, false}));
  EXPECT_EQ(decision.grants[2], (Grant{1, RowKind::kPrompt, 32, 62, false, false}));
  EXPECT_EQ(decision.shape.rows, 64);
}

TEST_F(PlanStep, PromptsInProgressComeBeforeNewOnes) {
  snapshot_.running = {prompting(5, 16, 76)};
  snapshot_.waiting = {waiting(1, 30)};
  const StepDecision decision = plan();
  EXPECT_EQ(rows(decision, 5), 60);
  EXPECT_TRUE(grant_of(decision, 5)->samples);
  EXPECT_EQ(rows(decision, 1), 4);
  EXPECT_FALSE(grant_of(decision, 1)->samples);
  EXPECT_THAT(decision.admitted, ElementsAre(1));
}

TEST_F(PlanStep, APromptStartsOnlyWhenAllOfItFits) {
  snapshot_ = snapshot_of(5, 100);
  snapshot_.running = {decoding(9, 20)};
  snapshot_.waiting = {waiting(1, 100)};  // 7 blocks
  limits_.watermark = 0;
  EXPECT_THAT(plan().admitted, IsEmpty());
  snapshot_.groups[0].available = 7;
  EXPECT_THAT(plan().admitted, ElementsAre(1));
}

TEST_F(PlanStep, BlocksOfPromptsInProgressArePromised) {
  snapshot_ = snapshot_of(12, 100);
  snapshot_.running = {prompting(1, 16, 160)};  // 9 more blocks
  snapshot_.running[0].chunk_max = 16;
  snapshot_.waiting = {waiting(2, 60)};  // 4 blocks
  limits_.watermark = 0;
  EXPECT_THAT(plan().admitted, IsEmpty());
  snapshot_.groups[0].available = 13;
  EXPECT_THAT(plan().admitted, ElementsAre(2));
}

TEST_F(PlanStep, TheWatermarkStaysFreeUnlessNobodyRuns) {
  snapshot_ = snapshot_of(10, 100);
  snapshot_.waiting = {waiting(1, 16)};
  limits_.watermark = 0.1;
  EXPECT_THAT(plan().admitted, ElementsAre(1));
  snapshot_.running = {decoding(2, 20)};
  EXPECT_THAT(plan().admitted, IsEmpty());
  snapshot_.groups[0].available = 11;
  EXPECT_THAT(plan().admitted, ElementsAre(1));
}

TEST_F(PlanStep, NobodyOvertakesTheHeadOfTheQueue) {
  snapshot_ = snapshot_of(5, 100);
  snapshot_.running = {decoding(9, 20)};
  snapshot_.waiting = {waiting(1, 160), waiting(2, 16)};
  EXPECT_THAT(plan().admitted, IsEmpty());
}

TEST_F(PlanStep, AtMostSeqsMaxRun) {
  limits_.seqs_max = 2;
  snapshot_.running = {decoding(1, 5)};
  snapshot_.waiting = {waiting(2, 5), waiting(3, 5)};
  EXPECT_THAT(plan().admitted, ElementsAre(2));
}

TEST_F(PlanStep, APrefixHitIsNotComputedAgain) {
  snapshot_ = snapshot_of(4, 100);
  SequenceView hit = prompting(1, 96, 100);
  hit.groups[0].revived = 3;
  hit.groups[0].exclusive = 0;
  snapshot_.waiting = {hit};
  const StepDecision decision = plan();
  EXPECT_EQ(*grant_of(decision, 1), (Grant{1, RowKind::kPrompt, 96, 4, true, false}));
  snapshot_.groups[0].available = 3;  // the cached blocks of the hit are among the available ones
  EXPECT_EQ(plan().stuck, 1u);
}

TEST_F(PlanStep, TheYoungestGivesBlocksBackWhenTheyRunOut) {
  snapshot_ = snapshot_of(0, 6);
  snapshot_.running = {decoding(1, 32), decoding(2, 32), decoding(3, 20)};
  snapshot_.waiting = {waiting(4, 5)};
  const StepDecision decision = plan();
  EXPECT_THAT(decision.preempted, ElementsAre(3));
  EXPECT_EQ(rows(decision, 1), 1);
  EXPECT_EQ(rows(decision, 2), 1);
  EXPECT_THAT(decision.admitted, IsEmpty());  // never in the step that took memory back
}

TEST_F(PlanStep, TheLastInOrderWaitsRatherThanGivingBackForItself) {
  snapshot_ = snapshot_of(0, 6);
  snapshot_.running = {decoding(1, 30), decoding(2, 32)};
  const StepDecision decision = plan();
  EXPECT_EQ(rows(decision, 1), 1);
  EXPECT_EQ(rows(decision, 2), 0);
  EXPECT_THAT(decision.preempted, IsEmpty());
}

TEST_F(PlanStep, BlocksThatAreComingBackAreWaitedFor) {
  snapshot_ = snapshot_of(0, 6);
  snapshot_.steps_in_flight = 1;
  snapshot_.running = {decoding(1, 32), decoding(2, 40)};
  for (SequenceView& seq : snapshot_.running) seq.in_flight = 1;
  StepDecision decision = plan();
  EXPECT_THAT(decision.preempted, ElementsAre(2));  // its blocks come when its step commits
  EXPECT_THAT(decision.grants, IsEmpty());
  snapshot_.running[1].leaving = snapshot_.running[1].blocked = true;
  snapshot_.running.push_back(decoding(3, 18));
  decision = plan();
  EXPECT_THAT(decision.preempted, IsEmpty());
  EXPECT_EQ(rows(decision, 3), 1);
}

TEST_F(PlanStep, PinnedSequencesKeepTheirPages) {
  snapshot_ = snapshot_of(0, 6);
  snapshot_.running = {decoding(1, 32), decoding(2, 32), decoding(3, 20)};
  snapshot_.running[2].pinned = snapshot_.running[2].blocked = true;
  const StepDecision decision = plan();
  EXPECT_THAT(decision.preempted, ElementsAre(2));
}

TEST_F(PlanStep, BestEffortTakesWhatIsLeftAndLeavesFirst) {
  SequenceView background = decoding(1, 32);
  background.best_effort = true;
  snapshot_ = snapshot_of(0, 6);
  snapshot_.running = {background, decoding(2, 32), decoding(3, 16)};
  const StepDecision decision = plan();
  EXPECT_THAT(decision.preempted, ElementsAre(1));
  EXPECT_EQ(rows(decision, 2) + rows(decision, 3), 2);

  snapshot_ = snapshot_of(20, 20);
  snapshot_.running = {background, prompting(2, 0, 200)};
  EXPECT_EQ(rows(plan(), 2), 64);  // nothing is left
  snapshot_.running[1] = prompting(2, 140, 200);
  EXPECT_EQ(rows(plan(), 1), 1);
}

TEST_F(PlanStep, BestEffortGivesWayToAWaitingRequestIfThatHelps) {
  SequenceView background = decoding(1, 60);  // 4 blocks
  background.best_effort = true;
  snapshot_ = snapshot_of(2, 10);
  snapshot_.running = {background, decoding(2, 60)};
  snapshot_.waiting = {waiting(3, 90)};  // 6 blocks
  EXPECT_THAT(plan().preempted, ElementsAre(1));
  snapshot_.waiting = {waiting(3, 120)};  // 8 blocks: giving way would not be enough
  EXPECT_THAT(plan().preempted, IsEmpty());

  snapshot_ = snapshot_of(50, 60);
  snapshot_.running = {background, decoding(2, 60)};
  snapshot_.waiting = {waiting(3, 16)};
  limits_.seqs_max = 2;  // a place is as good as memory
  EXPECT_THAT(plan().preempted, ElementsAre(1));
}

TEST_F(PlanStep, PromptsKeepTheStepNearItsTimeTarget) {
  const CostModel cost({{1, 0.010}, {64, 0.073}}, 0, 0);  // a millisecond a row
  limits_.cost = &cost;
  limits_.step_time_target_seconds = 0.040;
  snapshot_.running = {decoding(1, 5), prompting(2, 0, 200)};
  EXPECT_EQ(rows(plan(), 2), 30);
  // A target that decode alone exceeds does not starve prompts.
  limits_.step_time_target_seconds = 0.001;
  const StepDecision decision = plan();
  EXPECT_EQ(rows(decision, 1), 1);
  EXPECT_EQ(rows(decision, 2), 16);
}

TEST_F(PlanStep, DraftsUseWhatIsLeft) {
  SequenceView drafting = decoding(1, 20);
  drafting.rows_wanted = 8;
  snapshot_.running = {drafting};
  StepDecision decision = plan();
  EXPECT_EQ(*grant_of(decision, 1), (Grant{1, RowKind::kVerify, 20, 8, true, false}));

  // Prompts and drafts share what decode leaves.
  snapshot_.running = {drafting, prompting(2, 0, 500)};
  limits_.tokens_per_step = 9;
  decision = plan();
  EXPECT_EQ(rows(decision, 1), 5);
  EXPECT_EQ(rows(decision, 2), 4);

  // Nobody is refused or preempted for drafts.
  limits_.tokens_per_step = 64;
  snapshot_ = snapshot_of(0, 4);
  snapshot_.running = {drafting, decoding(3, 20)};
  snapshot_.running[0].next_position = snapshot_.running[0].fill_len = 28;
  decision = plan();
  EXPECT_EQ(rows(decision, 1), 4);  // up to the end of its last block
  EXPECT_EQ(rows(decision, 3), 1);
}

TEST_F(PlanStep, DraftsKeepTheStepWithinItsTime) {
  const CostModel cost({{1, 0.010}, {64, 0.073}}, 0.001, 0);  // and a millisecond a position read
  limits_.cost = &cost;
  SequenceView drafting = decoding(1, 20);
  drafting.rows_wanted = 8;
  snapshot_.running = {drafting, decoding(2, 9)};
  // Two rows and 31 positions take 42 ms; a draft is a row and a position.
  for (const auto& [target, expected] : {std::pair{0.0415, 1}, {0.0465, 3}, {1.0, 8}}) {
    limits_.step_time_target_seconds = target;
    EXPECT_EQ(rows(plan(), 1), expected) << target;
  }
}

TEST_F(PlanStep, DraftsAreVerifiedWhereTheyPay) {
  SequenceView drafting = decoding(1, 20);
  drafting.rows_wanted = 8;
  drafting.draft_acceptance = 0.5;
  snapshot_.running = {drafting};
  // One token in 10 ms; 1.5 in 11, 1.75 in 12 and 1.875 in 13.
  const CostModel memory_bound({{1, 0.010}, {64, 0.073}}, 0, 0);
  limits_.cost = &memory_bound;
  EXPECT_EQ(rows(plan(), 1), 3);
  snapshot_.running[0].draft_acceptance = 0.9;
  EXPECT_EQ(rows(plan(), 1), 8);
  snapshot_.running[0].draft_acceptance = 0.05;
  EXPECT_EQ(rows(plan(), 1), 1);
  // 21 tokens in 30 ms are the same for one sequence of many what a row costs the others.
  for (SequenceId id = 2; id <= 21; ++id) snapshot_.running.push_back(decoding(id, 20));
  snapshot_.running[0].draft_acceptance = 0.6;
  EXPECT_EQ(rows(plan(), 1), 1);
  snapshot_.running[0].draft_acceptance = 0.9;
  EXPECT_GT(rows(plan(), 1), 1);
  // Where every row costs what the first one does, only certain drafts cost nothing.
  const CostModel compute_bound({{1, 0.001}, {64, 0.064}}, 0, 0);
  limits_.cost = &compute_bound;
  EXPECT_EQ(rows(plan(), 1), 1);
}

// Rows that prompts could have are not held for drafts that would not be verified.
TEST_F(PlanStep, NoRowsAreHeldForDraftsThatDoNotPay) {
  const CostModel compute_bound({{1, 0.001}, {64, 0.064}}, 0, 0);
  limits_.cost = &compute_bound;
  limits_.tokens_per_step = 9;
  SequenceView drafting = decoding(1, 20);
  drafting.rows_wanted = 8;
  drafting.draft_acceptance = 0.5;
  snapshot_.running = {drafting, prompting(2, 0, 500)};
  EXPECT_EQ(rows(plan(), 1), 1);
  EXPECT_EQ(rows(plan(), 2), 8);
}

TEST_F(PlanStep, EveryDraftNeedsAStateSlotWhereThereAreStates) {
  SequenceView drafting = decoding(1, 20);
  drafting.rows_wanted = 4;
  drafting.has_state_slot = true;
  snapshot_.running = {drafting};
  snapshot_.state_slots_total = 4;
  snapshot_.state_slots_free = 3;
  EXPECT_EQ(rows(plan(), 1), 4);
  snapshot_.state_slots_free = 2;
  EXPECT_EQ(rows(plan(), 1), 3);
  snapshot_.state_slots_free = 0;
  EXPECT_EQ(grant_of(plan(), 1)->kind, RowKind::kDecode);
}

TEST_F(PlanStep, ATokenStillInFlightIsReferredTo) {
  snapshot_.steps_in_flight = 1;
  SequenceView running = decoding(1, 20);
  running.in_flight = 1;
  running.token_in_flight = true;
  snapshot_.running = {running};
  EXPECT_TRUE(grant_of(plan(), 1)->token_in_flight);
  snapshot_.running[0].blocked = true;  // drafts in flight: its length is not known yet
  EXPECT_TRUE(plan().empty());
}

TEST_F(PlanStep, ChunksStopWhereOutputsAreComputedOtherwise) {
  SequenceView resumed = prompting(1, 16, 60);
  resumed.chunk_max = 24;
  snapshot_.running = {resumed};
  EXPECT_EQ(rows(plan(), 1), 24);
  EXPECT_FALSE(grant_of(plan(), 1)->samples);
}

TEST_F(PlanStep, GroupsThatEndedTakeNoBlocks) {
  SequenceView skipping = decoding(1, 32);
  skipping.groups.push_back({.pages = 2, .live = 0, .end = 32});
  snapshot_.groups.push_back({.spec = {}, .available = 0, .total = 10});
  snapshot_.running = {skipping};
  EXPECT_EQ(rows(plan(), 1), 1);
}

TEST_F(PlanStep, EveryGroupMustHaveRoom) {
  SequenceView both = decoding(1, 32);
  both.groups.push_back({.pages = 2, .live = 2, .exclusive = 2});
  snapshot_.groups.push_back({.spec = {}, .available = 0, .total = 10});
  snapshot_.running = {both, decoding(2, 3)};
  snapshot_.running[1].groups.push_back({.pages = 1, .live = 1, .exclusive = 1});
  EXPECT_THAT(plan().preempted, ElementsAre(2));
}

TEST_F(PlanStep, WhoCanNeverRunIsNamed) {
  snapshot_ = snapshot_of(5, 5);
  snapshot_.waiting = {waiting(2, 100), waiting(3, 10)};
  EXPECT_EQ(plan().stuck, 2u);
  snapshot_.steps_in_flight = 1;  // something may still change
  EXPECT_EQ(plan().stuck, kNoSequence);
  snapshot_ = snapshot_of(0, 2);
  snapshot_.running = {decoding(7, 32)};  // all the memory there is
  EXPECT_EQ(plan().stuck, 7u);
}

TEST_F(PlanStep, MemoryHeldInACircleIsTakenBack) {
  snapshot_ = snapshot_of(0, 4);
  snapshot_.running = {prompting(1, 32, 64), prompting(2, 32, 64)};
  EXPECT_THAT(plan().preempted, ElementsAre(2));
  // A fork that has not started gives its pages back before anybody who runs.
  snapshot_.running = {decoding(1, 32)};
  SequenceView fork = prompting(2, 32, 33);
  fork.fork_ready = true;
  fork.groups[0].exclusive = 0;
  snapshot_.waiting = {fork};
  EXPECT_THAT(plan().preempted, ElementsAre(2));
}

TEST_F(PlanStep, TheCheckerNoticesWhatAPlannerMayDoWrong) {
  snapshot_ = snapshot_of(1, 4);
  snapshot_.running = {decoding(1, 16), decoding(2, 16)};
  snapshot_.waiting = {waiting(3, 10)};
  snapshot_.work_waits = true;
  const Grant one{1, RowKind::kDecode, 16, 1, true, false};
  const Grant two{2, RowKind::kDecode, 16, 1, true, false};
  const Grant three{3, RowKind::kPrompt, 0, 10, true, false};
  const auto complaints = [&](StepDecision decision) {
    for (const Grant& grant : decision.grants) decision.shape.add(grant.position, grant.rows);
    return check_decision(snapshot_, limits_, decision).size();
  };
  EXPECT_EQ(complaints({.grants = {one}, .admitted = {}, .preempted = {}, .shape = {}}), 0u);
  EXPECT_GT(complaints({.grants = {one, two}, .admitted = {}, .preempted = {}, .shape = {}}), 0u);
  EXPECT_GT(complaints({.grants = {one, one}, .admitted = {}, .preempted = {}, .shape = {}}), 0u);
  EXPECT_GT(complaints({.grants = {three}, .admitted = {}, .preempted = {}, .shape = {}}), 0u);
  EXPECT_GT(complaints({.grants = {one}, .admitted = {}, .preempted = {1}, .shape = {}}), 0u);
  EXPECT_GT(complaints({.grants = {three}, .admitted = {3}, .preempted = {2}, .shape = {}}), 0u);
  EXPECT_GT(complaints({.grants = {}, .admitted = {}, .preempted = {}, .shape = {}}), 0u);
  Grant wrong = one;
  wrong.position = 15;
  EXPECT_GT(complaints({.grants = {wrong}, .admitted = {}, .preempted = {}, .shape = {}}), 0u);
  wrong = one;
  wrong.samples = false;
  EXPECT_GT(complaints({.grants = {wrong}, .admitted = {}, .preempted = {}, .shape = {}}), 0u);
  EXPECT_GT(complaints({.grants = {one}, .admitted = {}, .preempted = {}, .shape = {.rows = 1}}),
            0u);
}

}  // namespace
}  // namespace tessera
