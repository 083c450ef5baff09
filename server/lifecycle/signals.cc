#include "server/lifecycle/signals.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <cstdlib>

namespace tessera {

Signals::Signals() {
  sigemptyset(&set_);
  sigaddset(&set_, SIGTERM);
  sigaddset(&set_, SIGINT);
  // Our own wake-up at the end; a process signal that nothing else uses.
  sigaddset(&set_, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  // A client that goes away while we write to it is an error code, not a reason to die.
  signal(SIGPIPE, SIG_IGN);
  thread_ = std::thread([this] { listen(); });
}

Signals::~Signals() {
  ending_ = true;
  pthread_kill(thread_.native_handle(), SIGUSR2);
  thread_.join();
}

int Signals::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return first_ != 0; });
  return first_;
}

void Signals::listen() {
  for (;;) {
    int number = 0;
    sigwait(&set_, &number);
    if (ending_) return;
    if (number == SIGUSR2) continue;
    if (first_ != 0) {
      spdlog::warn("second signal: ending at once");
      std::_Exit(128 + number);
    }
    std::lock_guard lock(mutex_);
    first_ = number;
    changed_.notify_all();
  }
}

}  // namespace tessera
