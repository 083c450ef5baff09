// The KV blocks of one attention group: a fixed number, each free, cached (published, nobody uses
// it) or held (use count = references to it). Every operation is O(1) and the order in which blocks
// are handed out depends only on the calls made. Owned by KvCache; engine thread only.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/cache/group_spec.h"

namespace tessera {

class BlockPool {
 public:
  explicit BlockPool(int64_t blocks);

  int64_t total() const { return static_cast<int64_t>(blocks_.size()); }
  int64_t free() const { return static_cast<int64_t>(free_.size()); }
  int64_t cached() const { return cached_count_; }
  int64_t held() const { return total() - free() - cached_count_; }
  int32_t uses(BlockId block) const { return blocks_[block].uses; }
  bool published(BlockId block) const { return blocks_[block].published; }

  // A free block with one use, or kNoBlock.
  BlockId take();
  // One more use of a held or cached block.
  void share(BlockId block);
  // One use less. Without uses a published block becomes the youngest of the cached ones, any other
  // becomes free.
  void release(BlockId block);
  // Marks a held block as known to the prefix index.
  void publish(BlockId block);
  // The prefix index forgets the block: a cached one becomes free.
  void unpublish(BlockId block);
  // The cached block released longest ago, or kNoBlock.
  BlockId oldest_cached() const { return oldest_; }

 private:
  struct Block {
    int32_t uses = 0;
    bool published = false;
    BlockId older = kNoBlock, younger = kNoBlock;  // among the cached ones
  };
  void append_cached(BlockId block);
  void remove_cached(BlockId block);

  std::vector<Block> blocks_;
  std::vector<BlockId> free_;                        // the last one is handed out next
  BlockId oldest_ = kNoBlock, youngest_ = kNoBlock;  // ends of the list of cached blocks
  int64_t cached_count_ = 0;
};

}  // namespace tessera
