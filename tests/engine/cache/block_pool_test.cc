#include "engine/cache/block_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <list>
#include <random>
#include <vector>

namespace tessera {
namespace {

TEST(BlockPool, HandsOutEveryBlockOnceInAscendingOrder) {
  BlockPool pool(5);
  for (BlockId block = 0; block < 5; ++block) EXPECT_EQ(pool.take(), block);
  EXPECT_EQ(pool.take(), kNoBlock);
  EXPECT_EQ(pool.held(), 5);
}

TEST(BlockPool, CachedBlocksAreOldestFirst) {
  BlockPool pool(3);
  for (int block = 0; block < 3; ++block) pool.publish(pool.take());
  for (const BlockId block : {1, 0, 2}) pool.release(block);
  EXPECT_EQ(pool.oldest_cached(), 1);
  pool.share(1);  // used again: no longer cached
  EXPECT_EQ(pool.oldest_cached(), 0);
  pool.release(1);
  pool.unpublish(0);
  EXPECT_EQ(pool.oldest_cached(), 2);
  EXPECT_EQ(pool.take(), 0);
}

TEST(BlockPool, ForgottenWhileHeldBecomesFreeAtRelease) {
  BlockPool pool(1);
  const BlockId block = pool.take();
  pool.publish(block);
  pool.unpublish(block);
  pool.release(block);
  EXPECT_EQ(pool.free(), 1);
  EXPECT_EQ(pool.cached(), 0);
}

TEST(BlockPoolDeathTest, RefusesMisuse) {
  BlockPool pool(2);
  const BlockId block = pool.take();
  EXPECT_DEATH(pool.unpublish(block), "published");
  pool.release(block);
  EXPECT_DEATH(pool.release(block), "uses");
  EXPECT_DEATH(pool.share(block), "uses");
}

// The same, written naively.
struct NaivePool {
  struct State {
    int uses = 0;
    bool published = false;
  };
  std::vector<State> blocks;
  std::list<BlockId> cached;
  int64_t free() const {
    return std::count_if(blocks.begin(), blocks.end(),
                         [](const State& s) { return s.uses == 0 && !s.published; });
  }
};

TEST(BlockPool, AgreesWithANaiveModel) {
  std::mt19937 random(7);
  for (int world = 0; world < 30; ++world) {
    const int64_t total = 1 + random() % 12;
    BlockPool pool(total), twin(total);
    NaivePool naive{.blocks = std::vector<NaivePool::State>(total), .cached = {}};
    for (int step = 0; step < 2000; ++step) {
      const auto block = static_cast<BlockId>(random() % total);
      NaivePool::State& state = naive.blocks[block];
      const auto both = [&](auto change) { change(pool), change(twin); };
      switch (random() % 5) {
        case 0: {
          const bool can = naive.free() > 0;
          const BlockId taken = pool.take();
          EXPECT_EQ(twin.take(), taken);  // the same calls hand out the same blocks
          EXPECT_EQ(taken != kNoBlock, can);
          if (taken == kNoBlock) break;
          EXPECT_TRUE(naive.blocks[taken].uses == 0 && !naive.blocks[taken].published);
          naive.blocks[taken].uses = 1;
          break;
        }
        case 1:
          if (state.uses == 0 && !state.published) break;
          both([&](BlockPool& p) { p.share(block); });
          if (state.uses++ == 0) naive.cached.remove(block);
          break;
        case 2:
          if (state.uses == 0) break;
          both([&](BlockPool& p) { p.release(block); });
          if (--state.uses == 0 && state.published) naive.cached.push_back(block);
          break;
        case 3:
          if (state.uses == 0 || state.published) break;
          both([&](BlockPool& p) { p.publish(block); });
          state.published = true;
          break;
        default:
          if (!state.published) break;
          both([&](BlockPool& p) { p.unpublish(block); });
          state.published = false;
          naive.cached.remove(block);
      }
      ASSERT_EQ(pool.free(), naive.free());
      ASSERT_EQ(pool.cached(), static_cast<int64_t>(naive.cached.size()));
      ASSERT_EQ(pool.oldest_cached(), naive.cached.empty() ? kNoBlock : naive.cached.front());
      ASSERT_EQ(pool.uses(block), naive.blocks[block].uses);
      ASSERT_EQ(pool.published(block), naive.blocks[block].published);
    }
  }
}

}  // namespace
}  // namespace tessera
