// Several outputs of one prompt.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/schedule/ledger_rig.h"

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

LedgerShape without_prefix_cache(int64_t blocks) {
  LedgerShape shape = one_group(blocks);
  shape.prefix_caching = false;
  return shape;
}

TEST(LedgerFork, OutputsShareFullPagesAndCopyTheLast) {
  LedgerRig rig(without_prefix_cache(20));
  rig.admit(1, some_tokens(40), 8);
  rig.admit(2, some_tokens(40), 8, 1);
  rig.admit(3, some_tokens(40), 8, 1);
  const Reservation prompt = rig.launch();
  ASSERT_EQ(prompt.rows.size(), 1u);  // the children wait for the prompt
  EXPECT_EQ(rig.launch().step, 0u);   // and the parent for the fork
  const BlockId shared_page = prompt.rows[0].tables[0][2];
  rig.collect(prompt);
  EXPECT_EQ(rig.ledger.cache().blocks_held(), 3);

  const Reservation next = rig.launch();
  ASSERT_EQ(next.rows.size(), 3u);
  EXPECT_EQ(next.rows[0].grant, (Grant{1, RowKind::kDecode, 40, 1, true, false}));
  EXPECT_EQ(next.rows[1].grant, (Grant{2, RowKind::kPrompt, 39, 1, true, false}));
  EXPECT_EQ(next.rows[1].cached_tokens, 39);
  // Three write the page that two positions of the prompt share: two copies, the last one keeps it.
  ASSERT_EQ(next.copies.size(), 2u);
  EXPECT_EQ(next.copies[0].from, shared_page);
  EXPECT_EQ(next.copies[1].from, next.copies[0].from);
  const auto last_page = [&](int row) { return next.rows[row].tables[0][2]; };
  EXPECT_NE(last_page(0), last_page(1));
  EXPECT_NE(last_page(1), last_page(2));
  EXPECT_NE(last_page(0), last_page(2));
  EXPECT_EQ(next.rows[0].tables[0][1], next.rows[2].tables[0][1]);
  EXPECT_EQ(rig.ledger.cache().blocks_held(), 5);
  rig.collect(next);
  EXPECT_TRUE(rig.drain(20));
  EXPECT_EQ(rig.ledger.cache().blocks_held(), 0);
}

TEST(LedgerFork, AFullLastPageThatIsPublishedIsNotWritten) {
  LedgerRig rig(one_group(20));
  rig.admit(1, some_tokens(32), 8);
  rig.admit(2, some_tokens(32), 8, 1);
  rig.step();
  const Reservation next = rig.launch();
  ASSERT_EQ(next.copies.size(), 1u);
  EXPECT_EQ(next.rows[1].grant.position, 31);
  EXPECT_NE(next.rows[1].tables[0][1], next.rows[0].tables[0][1]);
  rig.collect(next);
  // The child's page has the same tokens: it takes the published one over.
  EXPECT_EQ(rig.ledger.at(1).tables[0].blocks[1], rig.ledger.at(2).tables[0].blocks[1]);
  EXPECT_TRUE(rig.drain(20));
}

TEST(LedgerFork, ChildrenOfAParentThatGoesAwayComputeThePromptThemselves) {
  LedgerRig rig(without_prefix_cache(20));
  rig.limits.tokens_per_step = 16;
  rig.admit(1, some_tokens(40), 8);
  rig.admit(2, some_tokens(40), 8, 1);
  const Reservation chunk = rig.launch();
  rig.ledger.cancel(1);
  rig.collect(chunk);
  EXPECT_EQ(rig.launch().rows[0].grant, (Grant{2, RowKind::kPrompt, 0, 16, false, false}));
}

TEST(LedgerFork, AParentThatEndsWithItsFirstTokenStillForks) {
  LedgerRig rig(without_prefix_cache(20));
  rig.admit(1, some_tokens(40), 8);
  rig.admit(2, some_tokens(40), 8, 1);
  EXPECT_THAT(rig.collect(rig.launch(), 7, 0, true).released, ElementsAre(1));
  const Reservation next = rig.launch();
  EXPECT_EQ(next.rows[0].grant.position, 39);
  EXPECT_TRUE(next.copies.empty());  // alone with the page by now
  rig.collect(next);
  EXPECT_TRUE(rig.drain(20));
}

TEST(LedgerFork, AChildMayBeCancelledWhileItWaits) {
  LedgerRig rig(without_prefix_cache(20));
  rig.admit(1, some_tokens(40), 8);
  rig.admit(2, some_tokens(40), 8, 1);
  rig.admit(3, some_tokens(40), 8, 1);
  EXPECT_TRUE(rig.ledger.cancel(3));
  rig.step();
  EXPECT_TRUE(rig.ledger.cancel(2));  // it held the parent's pages
  const Reservation next = rig.launch();
  EXPECT_TRUE(next.copies.empty());
  rig.collect(next);
  EXPECT_TRUE(rig.drain(20));
  EXPECT_EQ(rig.ledger.cache().blocks_held(), 0);
}

TEST(LedgerFork, ForksGiveTheirPagesBackWhenNothingElseMoves) {
  LedgerRig rig(without_prefix_cache(3));
  for (SequenceId id = 1; id <= 3; ++id) {
    rig.admit(id, some_tokens(40), 4, id == 1 ? kNoSequence : 1);
  }
  EXPECT_TRUE(rig.drain(60));
  EXPECT_EQ(rig.stuck, 0);
  EXPECT_GT(rig.preemptions, 0);
}

TEST(LedgerFork, AForkOfAPromptThatIsDoneIsAnOrdinarySequence) {
  LedgerRig rig(one_group(20));
  rig.admit(1, some_tokens(40), 8);
  rig.step();
  rig.admit(2, some_tokens(40), 8, 1);
  EXPECT_EQ(rig.ledger.at(2).spec.fork_of, kNoSequence);
  EXPECT_EQ(rig.launch().rows[1].cached_tokens, 32);
}

LedgerShape only_states(int slots) { return {.cache = {}, .state_slots = slots}; }

TEST(LedgerForkOfStates, ChildrenBeginWithACopyOfTheStateBeforeTheLastPromptToken) {
  LedgerRig rig(only_states(8));
  rig.admit(1, some_tokens(40), 8);
  rig.admit(2, some_tokens(40), 8, 1);
  rig.admit(3, some_tokens(40), 8, 1);
  const Reservation prompt = rig.launch();
  ASSERT_EQ(prompt.rows.size(), 1u);
  EXPECT_EQ(prompt.rows[0].grant, (Grant{1, RowKind::kPrompt, 0, 39, false, false}));
  EXPECT_EQ(rig.launch().step, 0u);  // the parent may not run ahead of the copies
  rig.collect(prompt);
  EXPECT_EQ(rig.ledger.slots().free(), 5);

  const Reservation next = rig.launch();
  ASSERT_EQ(next.rows.size(), 3u);
  ASSERT_EQ(next.state_copies.size(), 2u);
  for (int row = 0; row < 3; ++row) {
    EXPECT_EQ(next.rows[row].grant.position, 39);
    EXPECT_TRUE(next.rows[row].grant.samples);
    if (row == 0) continue;
    EXPECT_EQ(next.rows[row].cached_tokens, 39);
    EXPECT_EQ(next.state_copies[row - 1].from, next.rows[0].slots.current);
    EXPECT_EQ(next.state_copies[row - 1].to, next.rows[row].slots.current);
  }
  rig.collect(next);
  EXPECT_TRUE(rig.step().released.empty());
  EXPECT_TRUE(rig.drain(20));
  EXPECT_EQ(rig.ledger.slots().free(), 8);
}

TEST(LedgerForkOfStates, WhoGetsNoSlotComputesThePromptItself) {
  LedgerRig rig(only_states(2));
  rig.admit(1, some_tokens(10), 3);
  rig.admit(2, some_tokens(10), 3, 1);
  rig.admit(3, some_tokens(10), 3, 1);
  rig.step();
  EXPECT_EQ(rig.ledger.slots().free(), 0);
  EXPECT_FALSE(rig.ledger.at(3).fork_ready);
  EXPECT_EQ(rig.launch().state_copies.size(), 1u);
}

TEST(LedgerForkOfStates, CopiesIntoSlotsThatWereGivenBackAreNotDone) {
  LedgerRig rig(only_states(4));
  rig.admit(1, some_tokens(10), 8);
  rig.admit(2, some_tokens(10), 8, 1);
  rig.step();
  EXPECT_FALSE(
      rig.ledger.admit_prefilled({.id = 8, .prompt = {1, 2}, .max_tokens_total = 9}, {3}, 9));
  EXPECT_TRUE(rig.ledger.cancel(2));
  ASSERT_TRUE(
      rig.ledger.admit_prefilled({.id = 9, .prompt = {1, 2}, .max_tokens_total = 9}, {3}, 9));
  EXPECT_FALSE(rig.ledger.unpin(9));
  const Reservation next = rig.launch();
  EXPECT_TRUE(next.state_copies.empty());
  EXPECT_EQ(next.rows.size(), 2u);
  rig.collect(next);
  EXPECT_TRUE(rig.drain(20));
  EXPECT_EQ(rig.ledger.slots().free(), 4);
}

TEST(LedgerForkOfStates, AParentPreemptedBeforeTheForkForksWhenItComesBack) {
  LedgerRig rig(only_states(3));
  rig.limits.tokens_per_step = 4;
  rig.admit(1, some_tokens(10), 4);
  rig.admit(2, some_tokens(10), 4, 1);
  rig.step();
  rig.ledger.reserve({.grants = {}, .admitted = {}, .preempted = {1}, .shape = {}});
  EXPECT_EQ(rig.ledger.slots().free(), 3);
  int64_t copies = 0;
  for (int step = 0; step < 40 && !rig.ledger.idle(); ++step) {
    const Reservation reservation = rig.launch();
    copies += static_cast<int64_t>(reservation.state_copies.size());
    rig.collect(reservation);
  }
  EXPECT_TRUE(rig.ledger.idle());
  EXPECT_EQ(copies, 1);
}

}  // namespace
}  // namespace tessera
