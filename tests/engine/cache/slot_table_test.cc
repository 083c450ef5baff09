#include "engine/cache/slot_table.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

TEST(SlotTable, EveryRunningSequenceHasItsOwn) {
  SlotTable table(2);
  StateSlots a, b, c;
  EXPECT_TRUE(table.acquire(a) && table.acquire(b));
  EXPECT_NE(a.current, b.current);
  EXPECT_FALSE(table.acquire(c));
  EXPECT_EQ(c.current, kNoSlot);
  table.release(a);
  EXPECT_TRUE(table.acquire(c));
}

TEST(SlotTable, CommitKeepsTheCurrentStateAndRollbackTheOldOne) {
  SlotTable table(2);
  StateSlots slots;
  ASSERT_TRUE(table.acquire(slots) && table.snapshot(slots));
  const StateSlots both = slots;
  EXPECT_EQ(table.free(), 0);
  table.commit(slots);
  EXPECT_EQ(slots.current, both.current);
  EXPECT_EQ(slots.snapshot, kNoSlot);
  EXPECT_FALSE(table.taken(both.snapshot));

  ASSERT_TRUE(table.snapshot(slots));
  const SlotId before = slots.snapshot;
  table.rollback(slots);
  EXPECT_EQ(slots.current, before);
  EXPECT_EQ(slots.snapshot, kNoSlot);
  EXPECT_EQ(table.free(), 1);
  table.release(slots);
  EXPECT_EQ(table.free(), 2);
}

TEST(SlotTable, WithoutAFreeSlotThereIsNoSnapshot) {
  SlotTable table(1);
  StateSlots slots;
  ASSERT_TRUE(table.acquire(slots));
  EXPECT_FALSE(table.snapshot(slots));
  EXPECT_EQ(slots.snapshot, kNoSlot);
  EXPECT_DEATH(table.rollback(slots), "snapshot");
}

}  // namespace
}  // namespace tessera
