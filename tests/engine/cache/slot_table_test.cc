#include "engine/cache/slot_table.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

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
  EXPECT_EQ(a.current, kNoSlot);
  EXPECT_TRUE(table.acquire(c));
  EXPECT_DEATH(table.acquire(c), "current");
}

TEST(SlotTable, DraftsHaveSlotsOfTheirOwnUntilTheyAreDropped) {
  SlotTable table(4);
  StateSlots slots;
  ASSERT_TRUE(table.acquire(slots) && table.take_drafts(slots, 3));
  EXPECT_EQ(table.free(), 0);
  const std::set<SlotId> all(slots.drafts.begin(), slots.drafts.end());
  EXPECT_EQ(all.size(), 3u);
  EXPECT_FALSE(all.contains(slots.current));
  EXPECT_DEATH(table.take_drafts(slots, 1), "drafts");
  const SlotId current = slots.current;
  table.drop_drafts(slots);
  EXPECT_EQ(slots.current, current);
  EXPECT_TRUE(table.taken(current));
  EXPECT_EQ(table.free(), 3);
  ASSERT_TRUE(table.take_drafts(slots, 2));
  table.release(slots);
  EXPECT_EQ(table.free(), 4);
}

TEST(SlotTable, TooManyDraftsTakeNothing) {
  SlotTable table(3);
  StateSlots slots;
  EXPECT_DEATH(table.take_drafts(slots, 1), "current");
  ASSERT_TRUE(table.acquire(slots));
  EXPECT_FALSE(table.take_drafts(slots, 3));
  EXPECT_TRUE(slots.drafts.empty());
  EXPECT_EQ(table.free(), 2);
}

TEST(SlotTable, NothingLeaksAndNobodyShares) {
  SlotTable table(20);
  std::vector<StateSlots> sequences(12);
  std::mt19937 random(3);
  for (int round = 0; round < 5000; ++round) {
    StateSlots& one = sequences[random() % sequences.size()];
    if (one.current == kNoSlot) {
      table.acquire(one);
    } else if (!one.drafts.empty()) {
      table.drop_drafts(one);
    } else if (random() % 2 == 0) {
      table.take_drafts(one, 1 + static_cast<int64_t>(random() % 6));
    } else {
      table.release(one);
    }
    std::set<SlotId> held;
    int64_t count = 0;
    for (const StateSlots& slots : sequences) {
      if (slots.current != kNoSlot) held.insert(slots.current), ++count;
      held.insert(slots.drafts.begin(), slots.drafts.end());
      count += static_cast<int64_t>(slots.drafts.size());
    }
    ASSERT_EQ(static_cast<int64_t>(held.size()), count);
    ASSERT_EQ(table.free(), 20 - count);
    for (const SlotId slot : held) ASSERT_TRUE(table.taken(slot));
  }
}

}  // namespace
}  // namespace tessera
