#include "engine/diffusion/float_pool.h"

#include "kernels/core/check.h"
#include "kernels/ops/packed_weight.h"

namespace tessera {

FloatPool::FloatPool(int64_t floats)
    : total_(floats / kAlign * kAlign), free_(total_), gaps_{{0, total_}} {}

int64_t FloatPool::take(int64_t count) {
  const int64_t size = round_up(count, kAlign);
  for (auto gap = gaps_.begin(); gap != gaps_.end(); ++gap) {
    const auto [begin, length] = *gap;
    if (length < size) continue;
    gaps_.erase(gap);
    if (length > size) gaps_[begin + size] = length - size;
    free_ -= size;
    return begin;
  }
  return kNone;
}

void FloatPool::release(int64_t begin, int64_t count) {
  int64_t size = round_up(count, kAlign);
  free_ += size;
  auto after = gaps_.lower_bound(begin);
  CHECK(after == gaps_.end() || begin + size <= after->first);
  if (after != gaps_.end() && begin + size == after->first) {
    size += after->second;
    after = gaps_.erase(after);
  }
  if (after != gaps_.begin()) {
    const auto before = std::prev(after);
    CHECK_LE(before->first + before->second, begin);
    if (before->first + before->second == begin) {
      before->second += size;
      return;
    }
  }
  gaps_[begin] = size;
}

}  // namespace tessera
