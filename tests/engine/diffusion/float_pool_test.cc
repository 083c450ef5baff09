#include "engine/diffusion/float_pool.h"

#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace tessera {
namespace {

TEST(FloatPool, RangesNeverOverlapAndAllComesBack) {
  std::mt19937 random(4);
  FloatPool pool(4096);
  struct Range {
    int64_t begin, count;
  };
  std::vector<Range> held;
  for (int round = 0; round < 20000; ++round) {
    if (held.empty() || random() % 2 == 0) {
      const int64_t count = 1 + random() % 300;
      const int64_t begin = pool.take(count);
      if (begin == FloatPool::kNone) continue;
      ASSERT_EQ(begin % FloatPool::kAlign, 0);
      ASSERT_LE(begin + count, 4096);
      for (const Range& other : held) {
        ASSERT_TRUE(begin + count <= other.begin || other.begin + other.count <= begin);
      }
      held.push_back({begin, count});
    } else {
      const size_t which = random() % held.size();
      pool.release(held[which].begin, held[which].count);
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
    }
  }
  for (const Range& range : held) pool.release(range.begin, range.count);
  EXPECT_EQ(pool.used(), 0);
  EXPECT_EQ(pool.take(4096), 0);  // whole again
  EXPECT_EQ(pool.take(1), FloatPool::kNone);
}

}  // namespace
}  // namespace tessera
