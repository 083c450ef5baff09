// Ctrl-C during a call: the first cancels it, so that the daemon stops at once; a second ends the
// program. One at a time; made before the call's threads.
#pragma once

#include <signal.h>

#include <atomic>
#include <functional>
#include <thread>

namespace tessera {

class Interrupt {
 public:
  explicit Interrupt(std::function<void()> on_first);  // called on a thread of its own
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool happened() const { return happened_; }

 private:
  void listen();

  std::function<void()> on_first_;
  sigset_t set_, before_;
  std::atomic<bool> happened_{false}, ending_{false};
  std::thread thread_;
};

}  // namespace tessera
