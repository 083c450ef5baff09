// The thread that hands events to gRPC, so that the engine thread never serialises or writes. It
// also ends streams whose client has stopped reading. Owns the live streams of a service.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

namespace tessera {

// One stream as the pump sees it.
class PumpedStream {
 public:
  virtual ~PumpedStream() = default;
  // Sends what can be sent now. Pump thread.
  virtual void advance() = 0;
  // Ends the stream if it has waited for its client since before `limit`. Pump thread.
  virtual void end_if_stalled(std::chrono::steady_clock::time_point limit) = 0;
  // Ends the stream now. Any thread.
  virtual void abort() = 0;
};

class StreamPump {
 public:
  explicit StreamPump(std::chrono::steady_clock::duration stall_limit);
  ~StreamPump();  // REQUIRES: no live streams
  StreamPump(const StreamPump&) = delete;
  StreamPump& operator=(const StreamPump&) = delete;

  // All: any thread.
  void add(std::shared_ptr<PumpedStream> stream);
  void remove(PumpedStream* stream);
  // Something new can be sent. Cheap: a lock, and a wake-up when the pump sleeps.
  void wake(std::shared_ptr<PumpedStream> stream);
  // Waits until no stream lives; false at `deadline`.
  bool wait_empty(std::chrono::steady_clock::time_point deadline);
  void abort_all();
  size_t live() const;

 private:
  void run();

  const std::chrono::steady_clock::duration stall_limit_;
  mutable std::mutex mutex_;
  std::condition_variable woken_, emptied_;
  std::unordered_map<PumpedStream*, std::shared_ptr<PumpedStream>> live_;
  std::vector<std::shared_ptr<PumpedStream>> ready_;
  bool sleeping_ = false, ending_ = false;
  std::thread thread_;
};

}  // namespace tessera
