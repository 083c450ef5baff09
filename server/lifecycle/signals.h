// SIGTERM and SIGINT as an event that a thread waits for. The first asks for an orderly end; a
// second ends the process at once. Made on the main thread before any other thread starts, so that
// all threads inherit the blocked signals.
#pragma once

#include <signal.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace tessera {

class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  // Blocks until the first signal; returns its number.
  int wait();
  bool arrived() const { return first_.load() != 0; }

 private:
  void listen();

  sigset_t set_;
  std::atomic<int> first_{0};
  std::atomic<bool> ending_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread thread_;
};

}  // namespace tessera
