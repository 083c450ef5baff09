// Waiting for another thread: first by spinning, for as long as a sleep and a wake-up would cost,
// then by the caller's own sleep. Any thread.
#pragma once

#include <chrono>

namespace tessera {

inline void relax_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins until ready() or about 50 us have passed; returns whether it is ready.
template <class Ready>
bool spin_until(Ready&& ready) {
  constexpr std::chrono::microseconds kPatience{50};
  constexpr int kLooksPerClock = 64;
  if (ready()) return true;
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (true) {
    for (int look = 0; look < kLooksPerClock; ++look) {
      if (ready()) return true;
      relax_cpu();
    }
    if (std::chrono::steady_clock::now() >= deadline) return ready();
  }
}

}  // namespace tessera
