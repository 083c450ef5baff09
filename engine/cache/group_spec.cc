#include "engine/cache/group_spec.h"

#include <algorithm>

namespace tessera {

bool GroupSpec::page_stays(int64_t page) const {
  const int64_t first = page * kBlockTokens;
  if (full() || first < sink_tokens) return true;
  if (block_stride == 0) return false;
  const int64_t last_block = (first + kBlockTokens - 1) / block_tokens;
  const int64_t strided = last_block / block_stride * block_stride;
  return strided >= first / block_tokens;
}

bool GroupSpec::page_needed(int64_t page, int64_t first_query) const {
  // The page's last position is the one a window leaves last.
  const int64_t last = page * kBlockTokens + kBlockTokens - 1;
  return full() || last + window_tokens > first_query || page_stays(page);
}

int64_t GroupSpec::pages_peak(int64_t length, int64_t rows) const {
  const int64_t all = pages_for(length);
  if (full() || window_tokens >= length) return all;
  int64_t peak = pages_for(window_tokens + rows) + 1 + pages_for(sink_tokens);
  if (block_stride > 0) {
    const int64_t blocks = (length + block_tokens - 1) / block_tokens;
    const int64_t strided = (blocks + block_stride - 1) / block_stride;
    peak += strided * (pages_for(block_tokens) + 1);  // a block need not begin with a page
  }
  return std::min(all, peak);
}

}  // namespace tessera
