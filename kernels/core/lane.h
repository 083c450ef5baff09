// The lane of a device: the one thread that runs the commands of every stream of that device.
// Streams of several engines take turns; the one that has used the least of the lane's time goes
// next, so no engine owns threads and none can starve another. Owned by the composition root.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "kernels/core/stream.h"

namespace tessera {

class Lane {
 public:
  // `execution` is the backend's context (for the CPU: compute pool and scratch) and outlives the
  // lane.
  explicit Lane(Execution& execution);
  ~Lane();  // REQUIRES: no stream attached

  // Any thread; return once the lane has taken note.
  void attach(Stream& stream);
  // Waits until the stream is idle; afterwards the lane no longer knows it. REQUIRES: its owner
  // does not append meanwhile.
  void detach(Stream& stream);

 private:
  struct Guest {
    Stream* stream;
    double used_seconds;  // of the lane, counted from the level of the others when it had work
    bool blocked;         // its last turn retired nothing
    bool waiting;         // had work when the lane last looked
  };
  struct Change {
    Stream* stream;
    bool arrives;
  };

  void apply(Stream& stream, bool arrives);
  void run();
  void take_changes();
  // Serves turns until nobody has unblocked work or a change waits; false when nothing retired.
  bool serve();
  Guest* choose();  // whose turn it is; null when nobody has unblocked work
  bool any_blocked() const;

  Execution& execution_;
  std::mutex mutex_;
  std::condition_variable applied_;
  std::vector<Change> changes_;  // under mutex_
  uint64_t changes_asked_ = 0;   // under mutex_
  uint64_t changes_made_ = 0;    // under mutex_
  std::vector<Guest> guests_;    // lane thread
  std::atomic<bool> changes_pending_{false};
  std::atomic<uint32_t> doorbell_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace tessera
