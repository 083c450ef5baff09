// Attention groups: layers whose KV pages live equally long. Each group has its own pages, its own
// pool and its own block table per sequence; the rule of who sees what is AttentionSpec's. Pure;
// any thread.
#pragma once

#include <cstdint>
#include <limits>

namespace tessera {

constexpr int64_t kBlockTokens = 16;  // positions per KV block
using BlockId = int32_t;
constexpr BlockId kNoBlock = -1;  // in a block table: the group has freed this page

constexpr int64_t kNoEnd = std::numeric_limits<int64_t>::max();

constexpr int64_t pages_for(int64_t positions) {
  return (positions + kBlockTokens - 1) / kBlockTokens;
}

// All in tokens, as AttentionSpec. Position j is visible from i when j <= i and (window_tokens == 0
// or i - j < window_tokens or j < sink_tokens or (block_stride > 0 and (j / block_tokens) %
// block_stride == 0)).
struct GroupSpec {
  int64_t window_tokens = 0;  // 0 = full attention: nothing is ever freed
  int64_t sink_tokens = 0;
  int64_t block_stride = 0;  // 0 = none
  int64_t block_tokens = 0;  // > 0 with block_stride

  bool full() const { return window_tokens == 0; }
  // Whether the page holds a sink or a strided position: it stays as long as the sequence.
  bool page_stays(int64_t page) const;
  // Whether some position of the page is visible from some query position >= first_query.
  bool page_needed(int64_t page, int64_t first_query) const;
  // Most pages alive at once while a prompt of `length` positions is computed in chunks of at most
  // `rows` positions.
  int64_t pages_peak(int64_t length, int64_t rows) const;
  friend bool operator==(const GroupSpec&, const GroupSpec&) = default;
};

}  // namespace tessera
