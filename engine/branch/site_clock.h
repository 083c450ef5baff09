// When each part of one pass of a network ended, told by the device's lane: what steps spend their
// time on. Owned by whoever asked for the pass, on its thread; readable once the stream has come to
// the end of the pass.
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

#include "kernels/core/stream.h"

namespace tessera {

class SiteClock {
 public:
  explicit SiteClock(int sites) : site_ends_(sites) {}

  void begin(Stream& stream) { stream.stamp(&begin_); }
  void blocks_begin(Stream& stream) { stream.stamp(&blocks_begin_); }
  // Not called for a branch that adds nothing.
  void site_end(Stream& stream, int site) { stream.stamp(&site_ends_[site]); }
  void blocks_end(Stream& stream) { stream.stamp(&blocks_end_); }
  void end(Stream& stream) { stream.stamp(&end_); }

  // Seconds of each site: from the end of the one before it, norms and what its block does between
  // the two included. REQUIRES: every site ran.
  std::vector<double> site_seconds() const {
    std::vector<double> seconds;
    Time last = blocks_begin_;
    for (const Time ended : site_ends_) {
      seconds.push_back(ended == Time{} ? 0 : between(last, ended));
      last = std::max(last, ended);
    }
    if (!seconds.empty()) seconds.back() += between(last, blocks_end_);
    return seconds;
  }
  // Of the parts before and after the blocks.
  double ends_seconds() const {
    return between(begin_, blocks_begin_) + between(blocks_end_, end_);
  }

 private:
  using Time = std::chrono::steady_clock::time_point;
  static double between(Time begin, Time end) {
    return std::chrono::duration<double>(end - begin).count();
  }

  Time begin_, blocks_begin_, blocks_end_, end_;
  std::vector<Time> site_ends_;
};

}  // namespace tessera
