// State slots of constant-state models (recurrent layers): a sequence holds one while it runs, and
// a second one while drafts are verified, which keeps the state from before the step so that the
// accepted path can be replayed from it. Ids only; the device copies. Owned by the Ledger; engine
// thread only.
#pragma once

#include <cstdint>
#include <vector>

namespace tessera {

using SlotId = int32_t;
constexpr SlotId kNoSlot = -1;

// The slots of one sequence.
struct StateSlots {
  SlotId current = kNoSlot;
  SlotId snapshot = kNoSlot;  // the state before the step in flight
};

class SlotTable {
 public:
  explicit SlotTable(int slots);

  int total() const { return static_cast<int>(taken_.size()); }
  int free() const { return static_cast<int>(free_.size()); }
  bool taken(SlotId slot) const { return taken_[slot]; }

  // False when no slot is free.
  bool acquire(StateSlots& slots);
  // Reserves a slot for the copy of the state. False when none is free.
  // REQUIRES: a current slot and no snapshot.
  bool snapshot(StateSlots& slots);
  // The state after the step is right: the snapshot goes.
  void commit(StateSlots& slots);
  // The snapshot becomes the current state; the other slot goes.
  void rollback(StateSlots& slots);
  void release(StateSlots& slots);

 private:
  bool take(SlotId& slot);
  void give_back(SlotId& slot);
  std::vector<SlotId> free_;  // last in, first out
  std::vector<bool> taken_;
};

}  // namespace tessera
