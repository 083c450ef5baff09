#include "tools/client/interrupt.h"

#include <pthread.h>

#include <cstdlib>
#include <utility>

namespace tessera {

Interrupt::Interrupt(std::function<void()> on_first) : on_first_(std::move(on_first)) {
  sigemptyset(&set_);
  sigaddset(&set_, SIGINT);
  sigaddset(&set_, SIGTERM);
  sigaddset(&set_, SIGUSR2);  // our own wake-up at the end
  pthread_sigmask(SIG_BLOCK, &set_, &before_);
  thread_ = std::thread([this] { listen(); });
}

Interrupt::~Interrupt() {
  ending_ = true;
  pthread_kill(thread_.native_handle(), SIGUSR2);
  thread_.join();
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void Interrupt::listen() {
  for (;;) {
    int number = 0;
    sigwait(&set_, &number);
    if (ending_) return;
    if (number == SIGUSR2) continue;
    if (happened_.exchange(true)) std::_Exit(128 + number);
    on_first_();
  }
}

}  // namespace tessera
