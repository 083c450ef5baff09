// State slots of models whose layers keep a state of constant size (recurrent layers) instead of
// pages: a sequence that runs holds one. While drafts are verified that slot goes no further than
// the root, which is committed whatever happens, and every draft holds a slot of its own for the
// state after it. To commit a path the device moves the state of its last draft to the current
// slot; to roll back is to drop the drafts' slots. A copy of a slot is a snapshot of the sequence:
// a fork begins with one. Ids only; the device copies. Owned by the Ledger; engine thread only.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/inlined_vector.h"

namespace tessera {

using SlotId = int32_t;
constexpr SlotId kNoSlot = -1;

// The slots of one sequence.
struct StateSlots {
  SlotId current = kNoSlot;
  absl::InlinedVector<SlotId, 4> drafts;  // of the verify step in flight, in the order of its rows
};

// The device copies a state before it writes any row of the step.
struct StateCopy {
  SlotId from, to;
};

class SlotTable {
 public:
  explicit SlotTable(int slots);

  int total() const { return static_cast<int>(taken_.size()); }
  int free() const { return static_cast<int>(free_.size()); }
  bool taken(SlotId slot) const { return taken_[slot]; }

  // False when no slot is free. REQUIRES: no current slot.
  bool acquire(StateSlots& slots);
  // A slot for each of `count` drafts. False, and nothing changed, when there are not as many.
  // REQUIRES: a current slot and no drafts.
  bool take_drafts(StateSlots& slots, int64_t count);
  void drop_drafts(StateSlots& slots);
  void release(StateSlots& slots);

 private:
  SlotId take();
  void give_back(SlotId slot);
  std::vector<SlotId> free_;  // last in, first out
  std::vector<bool> taken_;
};

}  // namespace tessera
