#include "engine/diffusion/feature_slots.h"

#include <algorithm>

#include "kernels/core/check.h"

namespace tessera {

void FeatureSlots::give(std::vector<int32_t> blocks, int numbers) {
  CHECK_EQ(blocks_, 0);
  blocks_ = static_cast<int64_t>(blocks.size());
  spare_ = std::move(blocks);
  held_.assign(numbers, {});
}

const std::vector<int32_t>& FeatureSlots::hold(int number, int64_t count) {
  std::vector<int32_t>& held = held_[number];
  if (held.empty()) {
    CHECK_LE(count, spare());
    held.assign(spare_.end() - count, spare_.end());
    spare_.resize(spare_.size() - count);
  }
  return held;
}

void FeatureSlots::drop(int number) {
  spare_.insert(spare_.end(), held_[number].begin(), held_[number].end());
  held_[number].clear();
}

std::vector<int32_t> FeatureSlots::shrink(int64_t most) {
  const int64_t surplus = std::clamp<int64_t>(blocks_ - most, 0, spare());
  const std::vector<int32_t> gone(spare_.end() - surplus, spare_.end());
  spare_.resize(spare_.size() - surplus);
  blocks_ -= surplus;
  return gone;
}

std::vector<int32_t> FeatureSlots::all_blocks() const {
  std::vector<int32_t> all = spare_;
  for (const std::vector<int32_t>& held : held_) all.insert(all.end(), held.begin(), held.end());
  return all;
}

std::vector<int32_t> FeatureSlots::give_up() {
  for (size_t number = 0; number < held_.size(); ++number) drop(static_cast<int>(number));
  return shrink(0);
}

}  // namespace tessera
