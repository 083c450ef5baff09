// How far a call is, for people: a bar that moves on a terminal, else a line for every tenth. Main
// thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>

namespace tessera {

class Progress {
 public:
  enum class Style { kNone, kBar, kLines };
  Progress(Style style, std::ostream& err) : style_(style), err_(err) {}

  void queued(int64_t position);  // requests before this one
  void step(int32_t done, int32_t steps);
  void end();  // what follows begins a line of its own

 private:
  void bar(int32_t done, int32_t steps);

  const Style style_;
  std::ostream& err_;
  std::chrono::steady_clock::time_point first_step_at_;
  int32_t first_step_ = 0;  // that was told; 0 = none yet
  int32_t tenths_told_ = 0;
  bool bar_open_ = false;
};

}  // namespace tessera
