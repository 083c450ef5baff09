#include "tools/client/progress.h"

#include <algorithm>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace tessera {

using Clock = std::chrono::steady_clock;

void Progress::queued(int64_t position) {
  if (style_ == Style::kNone) return;
  const std::string text = absl::StrCat("waiting, ", position, " before");
  if (style_ == Style::kLines) {
    err_ << text << '\n';
    return;
  }
  err_ << "\r\x1b[K" << text << std::flush;
  bar_open_ = true;
}

void Progress::step(int32_t done, int32_t steps) {
  if (style_ == Style::kNone || steps < 1) return;
  if (style_ == Style::kBar) return bar(done, steps);
  const int32_t tenths = static_cast<int32_t>(int64_t{10} * done / steps);
  if (tenths == tenths_told_) return;
  tenths_told_ = tenths;
  err_ << "step " << done << " of " << steps << '\n';
}

// The time left is that of the steps seen so far, extended.
void Progress::bar(int32_t done, int32_t steps) {
  constexpr int kCells = 30;
  const int filled = static_cast<int>(int64_t{kCells} * std::clamp(done, 0, steps) / steps);
  std::string text = absl::StrCat("\r\x1b[K[", std::string(filled, '#'),
                                  std::string(kCells - filled, '-'), "] ", done, "/", steps);
  const Clock::time_point now = Clock::now();
  if (first_step_ == 0) {
    first_step_ = done;
    first_step_at_ = now;
  } else if (done > first_step_ && done < steps) {
    const double seconds = std::chrono::duration<double>(now - first_step_at_).count();
    absl::StrAppendFormat(&text, ", %.1f s left", seconds / (done - first_step_) * (steps - done));
  } else if (done == steps) {
    absl::StrAppend(&text, ", decoding");
  }
  err_ << text << std::flush;
  bar_open_ = true;
}

void Progress::end() {
  if (bar_open_) err_ << "\r\x1b[K" << std::flush;
  bar_open_ = false;
}

}  // namespace tessera
