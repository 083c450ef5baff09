// The lane of a device: the one thread that runs the commands of every stream of that device.
// Streams of several engines take turns, weighted by the predicted time of what they submit, so no
// engine owns threads and none can starve another.
#pragma once

#include <atomic>
#include <memory>
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

  void attach(Stream& stream);
  void detach(Stream& stream);  // waits until the stream is idle

 private:
  void run();

  Execution& execution_;
  std::mutex mutex_;
  std::vector<Stream*> streams_;
  std::atomic<uint32_t> doorbell_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace tessera
