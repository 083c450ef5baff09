// Where the ranks of one group meet, round after round. A rank arrives with a pointer to what the
// others may read and write; the last to arrive does the round's work for all, and the rest find it
// done when their command is called again. Owned by the group; each rank's lane calls with its own
// rank, from one thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/core/check.h"
#include "kernels/core/stream.h"

namespace tessera {

class Meeting {
 public:
  explicit Meeting(int ranks) : seats_(static_cast<size_t>(ranks)), brought_(seats_.size()) {
    CHECK_GT(ranks, 0);
  }
  int ranks() const { return static_cast<int>(seats_.size()); }

  // Arrives, or asks again after kBlocked. What `brings` points to stays valid until kDone.
  // combine(std::span<const void* const>) sees what every rank brought, in rank order, and runs
  // once a round, on the thread of the rank that came last.
  template <class Combine>
  Progress meet(int rank, const void* brings, Combine&& combine) {
    Seat& seat = seats_[static_cast<size_t>(rank)];
    if (seat.waiting) {
      if (rounds_.load(std::memory_order_acquire) == seat.round) return Progress::kBlocked;
      seat.waiting = false;
      return Progress::kDone;
    }
    // No round can end without this rank, so the count cannot move until it has arrived.
    seat.round = rounds_.load(std::memory_order_acquire);
    brought_[static_cast<size_t>(rank)] = brings;
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < ranks()) {
      seat.waiting = true;
      return Progress::kBlocked;
    }
    combine(std::span<const void* const>(brought_));
    arrived_.store(0, std::memory_order_relaxed);
    rounds_.fetch_add(1, std::memory_order_release);
    return Progress::kDone;
  }

 private:
  struct alignas(64) Seat {
    uint64_t round = 0;
    bool waiting = false;
  };
  std::vector<Seat> seats_;
  std::vector<const void*> brought_;
  std::atomic<int> arrived_{0};
  std::atomic<uint64_t> rounds_{0};
};

}  // namespace tessera
