// Who has which range of the pool of floats that holds latents, answers, noise and solver history.
// First fit, neighbours joined on release. Owned by a diffusion engine; engine thread only.
#pragma once

#include <cstdint>
#include <map>

namespace tessera {

class FloatPool {
 public:
  static constexpr int64_t kAlign = 16;  // floats; ranges start on cache lines
  static constexpr int64_t kNone = -1;

  explicit FloatPool(int64_t floats);

  // The first float of `count` free ones, or kNone.
  int64_t take(int64_t count);
  // REQUIRES: `begin` came from take(count) and was not released since.
  void release(int64_t begin, int64_t count);
  int64_t used() const { return total_ - free_; }
  int64_t total() const { return total_; }

 private:
  int64_t total_, free_;
  std::map<int64_t, int64_t> gaps_;  // begin -> length, never adjacent
};

}  // namespace tessera
