#include "engine/cache/slot_table.h"

#include "kernels/core/check.h"

namespace tessera {

SlotTable::SlotTable(int slots) : free_(slots), taken_(slots, false) {
  for (int slot = 0; slot < slots; ++slot) free_[slot] = slots - 1 - slot;
}

bool SlotTable::take(SlotId& slot) {
  CHECK_EQ(slot, kNoSlot);
  if (free_.empty()) return false;
  slot = free_.back();
  free_.pop_back();
  taken_[slot] = true;
  return true;
}

void SlotTable::give_back(SlotId& slot) {
  if (slot == kNoSlot) return;
  CHECK(taken_[slot]);
  taken_[slot] = false;
  free_.push_back(slot);
  slot = kNoSlot;
}

bool SlotTable::acquire(StateSlots& slots) { return take(slots.current); }

bool SlotTable::snapshot(StateSlots& slots) {
  CHECK_NE(slots.current, kNoSlot);
  return take(slots.snapshot);
}

void SlotTable::commit(StateSlots& slots) { give_back(slots.snapshot); }

void SlotTable::rollback(StateSlots& slots) {
  CHECK_NE(slots.snapshot, kNoSlot);
  give_back(slots.current);
  slots.current = slots.snapshot;
  slots.snapshot = kNoSlot;
}

void SlotTable::release(StateSlots& slots) {
  give_back(slots.snapshot);
  give_back(slots.current);
}

}  // namespace tessera
