#include "engine/cache/slot_table.h"

#include "kernels/core/check.h"

namespace tessera {

SlotTable::SlotTable(int slots) : free_(slots), taken_(slots, false) {
  for (int slot = 0; slot < slots; ++slot) free_[slot] = slots - 1 - slot;
}

SlotId SlotTable::take() {
  const SlotId slot = free_.back();
  free_.pop_back();
  taken_[slot] = true;
  return slot;
}

void SlotTable::give_back(SlotId slot) {
  CHECK(taken_[slot]);
  taken_[slot] = false;
  free_.push_back(slot);
}

bool SlotTable::acquire(StateSlots& slots) {
  CHECK_EQ(slots.current, kNoSlot);
  if (free_.empty()) return false;
  slots.current = take();
  return true;
}

bool SlotTable::take_drafts(StateSlots& slots, int64_t count) {
  CHECK_NE(slots.current, kNoSlot);
  CHECK(slots.drafts.empty());
  if (count > free()) return false;
  for (int64_t draft = 0; draft < count; ++draft) slots.drafts.push_back(take());
  return true;
}

void SlotTable::drop_drafts(StateSlots& slots) {
  for (const SlotId slot : slots.drafts) give_back(slot);
  slots.drafts.clear();
}

void SlotTable::release(StateSlots& slots) {
  drop_drafts(slots);
  if (slots.current != kNoSlot) give_back(slots.current);
  slots.current = kNoSlot;
}

}  // namespace tessera
