// Where one segment's features lie in the feature store: which of the blocks that its job was given
// hold what was kept under which number. Numbers are the sites of the job's cache plan, then one
// per cut for what its probe adds now. Owned by a job; engine thread.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/denoiser/denoise_plan.h"

namespace tessera {

// Rows of a segment. A range keeps the rows of both streams, image rows first.
struct FeatureSizes {
  int64_t image_rows = 0, context_rows = 0;

  static int64_t blocks_for(int64_t rows) {
    return (rows + kFeatureBlockRows - 1) / kFeatureBlockRows;
  }
  int64_t rows_of_site(bool context) const { return context ? context_rows : image_rows; }
  int64_t of_site(bool context) const { return blocks_for(rows_of_site(context)); }
  int64_t of_range() const { return blocks_for(image_rows + context_rows); }
};

class FeatureSlots {
 public:
  // `blocks` are this segment's until they leave by shrink().
  void give(std::vector<int32_t> blocks, int numbers);

  // Empty where nothing is held.
  const std::vector<int32_t>& of(int number) const { return held_[number]; }
  // Takes `count` spare blocks where nothing is held yet. REQUIRES: so many are spare.
  const std::vector<int32_t>& hold(int number, int64_t count);
  // Its blocks become spare.
  void drop(int number);
  // The two change places.
  void swap(int one, int other) { held_[one].swap(held_[other]); }
  // The spare blocks beyond `most` blocks in all; they are no longer this segment's.
  std::vector<int32_t> shrink(int64_t most);
  // Drops everything and gives all blocks away.
  std::vector<int32_t> give_up();

  std::vector<int32_t> all_blocks() const;
  int64_t blocks() const { return blocks_; }
  int64_t spare() const { return static_cast<int64_t>(spare_.size()); }

 private:
  std::vector<int32_t> spare_;
  std::vector<std::vector<int32_t>> held_;  // by number
  int64_t blocks_ = 0;
};

}  // namespace tessera
