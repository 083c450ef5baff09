#include "engine/schedule/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/schedule/ledger_rig.h"

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Ledger, FollowsOneSequenceFromPromptToEnd) {
  LedgerRig rig(one_group(10));
  rig.admit(1, some_tokens(100), 2);
  Reservation first = rig.launch();
  ASSERT_EQ(first.rows.size(), 1u);
  EXPECT_TRUE(first.rows[0].first);
  EXPECT_EQ(first.rows[0].grant, (Grant{1, RowKind::kPrompt, 0, 64, false, false}));
  EXPECT_EQ(first.rows[0].tables[0].size(), 4u);
  EXPECT_EQ(kv_slot(first.rows[0].tables[0], 17), first.rows[0].tables[0][1] * 16 + 1);
  EXPECT_EQ(rig.ledger.at(1).in_flight, 1);
  rig.collect(first);
  EXPECT_EQ(rig.ledger.at(1).committed_len, 64);

  rig.step();
  const Sequence& seq = rig.ledger.at(1);
  EXPECT_EQ(seq.committed_len, 100);
  EXPECT_EQ(seq.tokens.size(), 101u);  // the root's KV is not written yet

  const Reservation decode = rig.launch();
  EXPECT_EQ(decode.rows[0].grant, (Grant{1, RowKind::kDecode, 100, 1, true, false}));
  EXPECT_EQ(decode.rows[0].committed_len, 100);
  EXPECT_THAT(rig.collect(decode).released, ElementsAre(1));  // max_tokens_total is reached
  EXPECT_TRUE(rig.ledger.idle());
  EXPECT_EQ(rig.ledger.cache().blocks_held(), 0);
}

TEST(Ledger, ALaterPromptTakesTheCachedPrefixAndComputesAtLeastItsLastToken) {
  LedgerRig rig(one_group(20));
  rig.admit(1, some_tokens(48), 1);
  rig.step();
  EXPECT_TRUE(rig.ledger.idle());
  rig.admit(2, some_tokens(48), 1);
  const Reservation hit = rig.launch();
  EXPECT_EQ(hit.rows[0].cached_tokens, 32);
  EXPECT_EQ(hit.rows[0].grant.position, 32);
  EXPECT_EQ(hit.rows[0].grant.rows, 16);
  rig.collect(hit);
}

TEST(Ledger, PrefixesAreSharedOnlyWithinANamespaceAndOnlyWhenAskedFor) {
  LedgerRig rig(one_group(20));
  rig.admit(1, some_tokens(48), 1);
  rig.step();
  SequenceSpec spec{.id = 2, .prompt = some_tokens(48), .max_tokens_total = 49};
  spec.cache_namespace = "other";
  rig.ledger.admit(spec);
  spec.id = 3;
  spec.cache_namespace = "";
  spec.prefix_caching = false;
  rig.ledger.admit(spec);
  rig.limits.tokens_per_step = 200;
  for (const ReservedRows& rows : rig.launch().rows) EXPECT_EQ(rows.cached_tokens, 0);
}

TEST(Ledger, OutputsExtendTheCachedPrefix) {
  LedgerRig rig(one_group(20));
  rig.admit(1, some_tokens(20), 20);
  ASSERT_TRUE(rig.drain(30));
  std::vector<int32_t> turn = some_tokens(20);  // the next turn of the conversation
  turn.resize(40, 7);
  rig.admit(2, turn, 1);
  EXPECT_EQ(rig.launch().rows[0].cached_tokens, 32);
}

TEST(Ledger, AcceptedDraftsAreCommittedAndTheRestGivenBack) {
  LedgerRig rig(one_group(10));
  rig.admit(1, some_tokens(10), 60);
  rig.step();
  rig.ledger.want_rows(1, 20);
  const Reservation verify = rig.launch();
  EXPECT_EQ(verify.rows[0].grant, (Grant{1, RowKind::kVerify, 10, 20, true, false}));
  EXPECT_EQ(rig.ledger.at(1).allocated_len, 30);
  EXPECT_EQ(rig.ledger.cache().blocks_held(), 2);
  rig.collect(verify, 7, 3);
  const Sequence& seq = rig.ledger.at(1);
  EXPECT_EQ(seq.committed_len, 14);  // the root and three drafts
  EXPECT_EQ(seq.allocated_len, 14);
  EXPECT_EQ(seq.tokens.size(), 15u);
  EXPECT_EQ(seq.rows_wanted, 1);
  EXPECT_EQ(rig.ledger.cache().blocks_held(), 1);
}

TEST(Ledger, DraftsNeverReachBeyondTheLastToken) {
  LedgerRig rig(one_group(10));
  rig.admit(1, some_tokens(10), 4);
  rig.step();
  rig.ledger.want_rows(1, 20);
  const Reservation verify = rig.launch();
  EXPECT_EQ(verify.rows[0].grant.rows, 3);
  EXPECT_THAT(rig.collect(verify, 7, 2).released, ElementsAre(1));
}

TEST(Ledger, TheNextTokenMayStillBeInFlight) {
  LedgerRig rig(one_group(10));
  rig.admit(1, some_tokens(10), 3);
  const Reservation prompt = rig.launch(), second = rig.launch(), third = rig.launch();
  EXPECT_TRUE(second.rows[0].grant.token_in_flight);
  EXPECT_EQ(second.rows[0].grant.position, 10);
  EXPECT_EQ(third.rows[0].grant.position, 11);
  EXPECT_EQ(rig.launch().step, 0u);  // a fourth token was not asked for
  rig.collect(prompt);
  // The stop is found late: the third row is surplus.
  EXPECT_THAT(rig.collect(second, 7, 0, true).released, IsEmpty());
  const CommitReport last = rig.collect(third);
  EXPECT_THAT(last.counted, ElementsAre(false));
  EXPECT_THAT(last.released, ElementsAre(1));
}

TEST(Ledger, DraftsWaitForWhatIsInFlight) {
  LedgerRig rig(one_group(10));
  rig.admit(1, some_tokens(10), 30);
  const Reservation prompt = rig.launch();
  rig.ledger.want_rows(1, 4);
  EXPECT_EQ(rig.launch().step, 0u);
  rig.collect(prompt);
  rig.ledger.want_rows(1, 4);
  const Reservation verify = rig.launch();
  EXPECT_EQ(verify.rows[0].grant.rows, 4);
  EXPECT_EQ(rig.launch().step, 0u);  // its length is not known
  rig.collect(verify);
}

TEST(Ledger, CancelFreesWithinOneStep) {
  LedgerRig rig(one_group(10));
  rig.admit(1, some_tokens(30), 30);
  rig.admit(2, some_tokens(30, 100), 30);
  EXPECT_TRUE(rig.ledger.cancel(2));  // it waits: gone at once
  const Reservation step = rig.launch();
  EXPECT_FALSE(rig.ledger.cancel(1));
  EXPECT_EQ(rig.launch().step, 0u);
  EXPECT_THAT(rig.collect(step).released, ElementsAre(1));
  EXPECT_EQ(rig.ledger.cache().blocks_held(), 0);
}

TEST(Ledger, ExpiredDeadlinesAreListed) {
  LedgerRig rig(one_group(10));
  rig.ledger.admit({.id = 1, .prompt = {5}, .max_tokens_total = 9, .deadline_seconds = 3});
  rig.ledger.admit({.id = 2, .prompt = {5}, .max_tokens_total = 9, .deadline_seconds = 4});
  rig.ledger.admit({.id = 3, .prompt = {5}, .max_tokens_total = 9});
  EXPECT_THAT(rig.ledger.expired(2.9), IsEmpty());
  EXPECT_THAT(rig.ledger.expired(3), ElementsAre(1));
  EXPECT_THAT(rig.ledger.expired(1e9), ElementsAre(1, 2));
}

TEST(Ledger, APreemptedSequenceComputesItsOutputsAgainAsPrompt) {
  LedgerRig rig(one_group(4));
  rig.ledger = Ledger({.cache = {.groups = {GroupSpec{}}, .blocks = {4}}, .prefix_caching = false});
  rig.admit(1, some_tokens(30), 20);
  rig.admit(2, some_tokens(30, 100), 20);
  rig.limits.tokens_per_step = 100;
  for (int step = 0; step < 3; ++step) rig.step();
  EXPECT_EQ(rig.ledger.at(2).tokens.size(), 33u);
  rig.step();  // both need a third block and there is none
  EXPECT_THAT(rig.decision.preempted, ElementsAre(2));
  const Sequence& seq = rig.ledger.at(2);
  EXPECT_EQ(seq.state, SequenceState::kWaiting);
  EXPECT_EQ(seq.preemptions, 1);
  EXPECT_EQ(seq.prompt_len, 30);
  EXPECT_EQ(seq.fill_len, 33);
  while (rig.ledger.contains(1)) rig.step();
  const Reservation again = rig.launch();
  EXPECT_EQ(again.rows[0].grant, (Grant{2, RowKind::kPrompt, 0, 33, true, false}));
  rig.collect(again);
  EXPECT_EQ(rig.ledger.at(2).tokens.size(), 34u);
}

// T-LIVELOCK: a prompt that needs one block more than there are is named once, not started, evicted
// and started again; two that fit only one after the other both end.
TEST(Ledger, MemoryOneBlockBelowAPromptDoesNotLoop) {
  LedgerRig rig(one_group(6));
  rig.admit(1, some_tokens(100), 5);  // 7 blocks
  EXPECT_TRUE(rig.drain(3));
  EXPECT_EQ(rig.stuck, 1);
  EXPECT_EQ(rig.preemptions, 0);

  LedgerRig pair(one_group(13));
  for (SequenceId id = 1; id <= 2; ++id) pair.admit(id, some_tokens(100, 1000 * id), 5);
  pair.limits.tokens_per_step = 16;
  EXPECT_TRUE(pair.drain(40));
  EXPECT_EQ(pair.stuck, 0);
  EXPECT_EQ(pair.preemptions, 0);

  // Outputs outgrow the memory: one is preempted, and only the one that cannot fit alone fails.
  LedgerRig grow(one_group(7));
  for (SequenceId id = 1; id <= 2; ++id) grow.admit(id, some_tokens(40, 1000 * id), 70);
  EXPECT_TRUE(grow.drain(300));
  EXPECT_EQ(grow.stuck, 0);
  EXPECT_LE(grow.preemptions, 4);
  LedgerRig fail(one_group(7));
  fail.admit(1, some_tokens(40), 90);
  EXPECT_TRUE(fail.drain(300));
  EXPECT_EQ(fail.stuck, 1);
}

TEST(Ledger, WindowGroupsFreePagesThatNoRowInFlightSees) {
  const GroupSpec window{.window_tokens = 16, .sink_tokens = 1};
  LedgerRig rig(one_group(20, window));
  rig.limits.tokens_per_step = 32;
  rig.admit(1, some_tokens(96), 40);
  const Reservation first = rig.launch(), second = rig.launch();
  rig.collect(first);
  // The second chunk is in flight: its first row, at 32, still sees from 17 on.
  const std::vector<BlockId>& table = rig.ledger.at(1).tables[0].blocks;
  EXPECT_NE(table[0], kNoBlock);
  EXPECT_NE(table[1], kNoBlock);
  rig.collect(second);
  EXPECT_EQ(rig.ledger.at(1).tables[0].blocks[1], kNoBlock);
  EXPECT_NE(rig.ledger.at(1).tables[0].blocks[0], kNoBlock);  // the sink stays
  rig.step();
  EXPECT_EQ(rig.ledger.cache().blocks_held(), 2);
}

TEST(Ledger, SkippedGroupsGiveTheirPagesBackAfterThePrompt) {
  LedgerRig rig({.cache = {.groups = {GroupSpec{}, GroupSpec{}}, .blocks = {10, 10}}});
  SequenceSpec spec{.id = 1, .prompt = some_tokens(40), .max_tokens_total = 60};
  spec.groups_after_prompt = 0b01;
  rig.ledger.admit(spec);
  const Reservation prompt = rig.launch();
  EXPECT_EQ(rig.ledger.cache().pool(1).held(), 3);
  rig.collect(prompt);
  EXPECT_EQ(rig.ledger.cache().pool(1).held(), 0);
  const Reservation decode = rig.launch();
  EXPECT_EQ(kv_slot(decode.rows[0].tables[0], 40), rig.ledger.at(1).tables[0].blocks[2] * 16 + 8);
  EXPECT_EQ(kv_slot(decode.rows[0].tables[1], 40), -1);
  rig.collect(decode);
  ASSERT_TRUE(rig.drain(40));
  // Outputs were computed without some layers: nobody finds them, the prompt's pages they do.
  std::vector<int32_t> longer = some_tokens(40);
  longer.resize(60, 7);
  spec.id = 2;
  spec.prompt = longer;
  spec.max_tokens_total = 61;
  rig.ledger.admit(spec);
  EXPECT_EQ(rig.launch().rows[0].cached_tokens, 32);
}

TEST(Ledger, APreemptedSkippingSequenceResumesInTwoChunks) {
  LedgerRig rig({.cache = {.groups = {GroupSpec{}, GroupSpec{}}, .blocks = {10, 10}},
                 .prefix_caching = false});
  SequenceSpec spec{.id = 1, .prompt = some_tokens(20), .max_tokens_total = 60};
  spec.groups_after_prompt = 0b01;
  rig.ledger.admit(spec);
  for (int step = 0; step < 5; ++step) rig.step();
  StepDecision take_back;
  take_back.preempted = {1};
  rig.ledger.reserve(take_back);
  const Reservation prompt = rig.launch();
  EXPECT_EQ(prompt.rows[0].grant, (Grant{1, RowKind::kPrompt, 0, 20, false, false}));
  rig.collect(prompt);
  const Reservation outputs = rig.launch();
  EXPECT_EQ(outputs.rows[0].grant, (Grant{1, RowKind::kPrompt, 20, 5, true, false}));
  EXPECT_EQ(rig.ledger.cache().pool(1).held(), 0);
  rig.collect(outputs);
}

// Somebody's prompt may read like what a skipping sequence has emitted, but its KV is another.
TEST(Ledger, ASkippingSequenceDoesNotTakeItsOutputsFromAPrompt) {
  LedgerRig rig({.cache = {.groups = {GroupSpec{}, GroupSpec{}}, .blocks = {20, 20}}});
  SequenceSpec spec{.id = 1, .prompt = some_tokens(16), .max_tokens_total = 60};
  spec.groups_after_prompt = 0b01;
  rig.ledger.admit(spec);
  for (int step = 0; step < 30; ++step) rig.step();
  spec.id = 2;
  spec.prompt.resize(46, 7);
  rig.ledger.admit(spec);
  const Reservation prompt = rig.launch();
  EXPECT_EQ(prompt.rows.back().cached_tokens, 16);  // outputs are not published either
  rig.collect(prompt);
  StepDecision take_back;
  take_back.preempted = {1};
  rig.ledger.reserve(take_back);
  const Reservation again = rig.launch();
  EXPECT_EQ(again.rows.back().grant.sequence, 1u);
  EXPECT_EQ(again.rows.back().grant.position, 16);
  rig.collect(again);
}

TEST(Ledger, PinnedSequencesOutliveTheirEnd) {
  LedgerRig rig(one_group(10));
  rig.admit(1, some_tokens(20), 1);
  const Reservation step = rig.launch();
  rig.ledger.pin(1);
  EXPECT_THAT(rig.collect(step).released, IsEmpty());
  EXPECT_EQ(rig.ledger.at(1).state, SequenceState::kRetiring);
  EXPECT_EQ(rig.ledger.cache().blocks_held(), 2);  // its KV can be exported
  EXPECT_EQ(rig.launch().step, 0u);
  EXPECT_EQ(rig.decision.stuck, kNoSequence);
  EXPECT_TRUE(rig.ledger.unpin(1));
  EXPECT_EQ(rig.ledger.cache().blocks_held(), 0);
}

TEST(Ledger, APrefilledSequenceGoesOnWhereTheOtherEngineStopped) {
  LedgerRig rig(one_group(3));
  SequenceSpec spec{.id = 1, .prompt = some_tokens(40), .max_tokens_total = 44};
  ASSERT_TRUE(rig.ledger.admit_prefilled(spec, {7}, 8));
  spec.id = 2;
  EXPECT_FALSE(rig.ledger.admit_prefilled(spec, {7}, 8));  // no blocks
  EXPECT_FALSE(rig.ledger.contains(2));
  EXPECT_EQ(rig.launch().step, 0u);  // the KV is on its way
  EXPECT_FALSE(rig.ledger.unpin(1));
  const Reservation decode = rig.launch();
  EXPECT_EQ(decode.rows[0].grant, (Grant{1, RowKind::kDecode, 40, 1, true, false}));
  rig.collect(decode);
  EXPECT_TRUE(rig.drain(10));
}

TEST(Ledger, StateSlotsBoundWhoRuns) {
  LedgerRig rig({.cache = {}, .prefix_caching = false, .state_slots = 3});
  for (SequenceId id = 1; id <= 4; ++id) rig.admit(id, some_tokens(5), 10);
  rig.step();
  EXPECT_EQ(rig.ledger.load().running, 3);
  EXPECT_TRUE(rig.ledger.cancel(1));
  rig.ledger.want_rows(2, 4);
  const Reservation verify = rig.launch();
  // The free slot goes to the waiting sequence rather than to drafts.
  EXPECT_EQ(rig.decision.admitted.size(), 1u);
  rig.collect(verify);
  EXPECT_TRUE(rig.ledger.cancel(4));
  rig.ledger.want_rows(2, 4);
  const Reservation drafts = rig.launch();
  EXPECT_EQ(drafts.rows[0].grant.kind, RowKind::kVerify);
  // One slot is free, so one draft is verified.
  EXPECT_EQ(drafts.rows[0].grant.rows, 2);
  ASSERT_EQ(drafts.rows[0].slots.drafts.size(), 1u);
  EXPECT_NE(drafts.rows[0].slots.drafts[0], drafts.rows[0].slots.current);
  rig.collect(drafts, 7, 1);
  EXPECT_TRUE(rig.drain(100));
  EXPECT_EQ(rig.ledger.slots().free(), 3);
}

TEST(Ledger, RemembersHowOftenDraftsWereRight) {
  LedgerRig rig(one_group(20));
  rig.admit(1, some_tokens(5), 200);
  rig.step();
  const auto acceptance = [&] { return rig.ledger.at(1).draft_record.acceptance(); };
  const auto verify = [&](int64_t drafts, int64_t accepted) {
    rig.ledger.want_rows(1, 1 + drafts);
    rig.collect(rig.launch(), 7, accepted);
  };
  EXPECT_EQ(acceptance(), 1);
  verify(4, 4);
  EXPECT_EQ(acceptance(), 1);
  // One of two decided drafts was right; the third was never looked at.
  verify(3, 1);
  EXPECT_NEAR(acceptance(), (1 + 0.9 * 4 + 1) / (1 + 0.9 * 4 + 2), 1e-9);
  for (int round = 0; round < 20; ++round) verify(3, 0);
  const double low = acceptance();
  EXPECT_LT(low, 0.2);
  // What it knows it forgets while there are no drafts.
  for (int round = 0; round < 80; ++round) rig.step();
  EXPECT_GT(acceptance(), 2 * low);
}

TEST(Ledger, LoadCountsWhatWaits) {
  LedgerRig rig(one_group(10));
  rig.limits.seqs_max = 1;
  rig.admit(1, some_tokens(10), 5);
  rig.admit(2, some_tokens(20), 5);
  rig.step();
  EXPECT_EQ(rig.ledger.load().running, 1);
  EXPECT_EQ(rig.ledger.load().waiting, 1);
  EXPECT_EQ(rig.ledger.load().waiting_prompt_tokens, 20);
}

// Under a load that never ends the lowest priority is served too.
TEST(Ledger, AgingServesTheLowestPriority) {
  Ledger ledger(one_group(20));
  const auto order = make_order("priority", {{"aging_seconds", int64_t{10}}});
  const StepLimits limits{.tokens_per_step = 32, .seqs_max = 1};
  ledger.admit({.id = 1, .prompt = {1, 2, 3}, .max_tokens_total = 6, .priority = 0});
  int64_t served_at = -1;
  for (SequenceId tick = 2; tick < 400 && served_at < 0; ++tick) {
    const double now = static_cast<double>(tick);
    ledger.admit({.id = tick,
                  .prompt = {1, 2, 3},
                  .max_tokens_total = 6,
                  .priority = 5,
                  .arrival_seconds = now});
    const StepDecision decision = plan_step(ledger.snapshot(*order, now), limits, *order);
    const Reservation reservation = ledger.reserve(decision);
    StepOutcome outcome{.step = reservation.step, .grants = {}};
    for (const ReservedRows& rows : reservation.rows) {
      if (rows.grant.sequence == 1) served_at = static_cast<int64_t>(tick);
      outcome.grants.push_back({.tokens = {7}, .finished = false});
    }
    ledger.commit(outcome);
  }
  EXPECT_GT(served_at, 10);   // it did wait
  EXPECT_LT(served_at, 200);  // until its age outweighed five steps of priority
}

}  // namespace
}  // namespace tessera
