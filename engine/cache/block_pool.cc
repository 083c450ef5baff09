#include "engine/cache/block_pool.h"

#include "kernels/core/check.h"

namespace tessera {

BlockPool::BlockPool(int64_t blocks) : blocks_(blocks), free_(blocks) {
  for (int64_t block = 0; block < blocks; ++block) {
    free_[block] = static_cast<BlockId>(blocks - 1 - block);
  }
}

BlockId BlockPool::take() {
  if (free_.empty()) return kNoBlock;
  const BlockId block = free_.back();
  free_.pop_back();
  blocks_[block].uses = 1;
  return block;
}

void BlockPool::share(BlockId block) {
  Block& shared = blocks_[block];
  CHECK(shared.uses > 0 || shared.published);
  if (shared.uses == 0) remove_cached(block);
  ++shared.uses;
}

void BlockPool::release(BlockId block) {
  Block& released = blocks_[block];
  CHECK_GT(released.uses, 0);
  if (--released.uses > 0) return;
  if (released.published) {
    append_cached(block);
  } else {
    free_.push_back(block);
  }
}

void BlockPool::publish(BlockId block) {
  CHECK_GT(blocks_[block].uses, 0);
  CHECK(!blocks_[block].published);
  blocks_[block].published = true;
}

void BlockPool::unpublish(BlockId block) {
  Block& forgotten = blocks_[block];
  CHECK(forgotten.published);
  forgotten.published = false;
  if (forgotten.uses > 0) return;
  remove_cached(block);
  free_.push_back(block);
}

void BlockPool::append_cached(BlockId block) {
  blocks_[block].older = youngest_;
  blocks_[block].younger = kNoBlock;
  (youngest_ == kNoBlock ? oldest_ : blocks_[youngest_].younger) = block;
  youngest_ = block;
  ++cached_count_;
}

void BlockPool::remove_cached(BlockId block) {
  const Block& removed = blocks_[block];
  (removed.older == kNoBlock ? oldest_ : blocks_[removed.older].younger) = removed.younger;
  (removed.younger == kNoBlock ? youngest_ : blocks_[removed.younger].older) = removed.older;
  --cached_count_;
}

}  // namespace tessera
