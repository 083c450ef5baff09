#include "engine/cache/group_spec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "engine/cache/kv_cache.h"

namespace tessera {
namespace {

// The visibility rule as kernels/ops/attention.h states it.
bool visible(const GroupSpec& spec, int64_t i, int64_t j) {
  if (j > i) return false;
  return spec.window_tokens == 0 || i - j < spec.window_tokens || j < spec.sink_tokens ||
         (spec.block_stride > 0 && (j / spec.block_tokens) % spec.block_stride == 0);
}

GroupSpec random_spec(std::mt19937& random) {
  GroupSpec spec;
  spec.window_tokens = random() % 4 == 0 ? 0 : 1 + random() % 90;
  spec.sink_tokens = random() % 2 == 0 ? 0 : random() % 40;
  if (random() % 2 == 0) {
    spec.block_stride = 1 + random() % 6;
    spec.block_tokens = 1 + random() % 50;
  }
  return spec;
}

TEST(GroupSpec, APageIsNeededExactlyWhileSomeQueryCanSeeIt) {
  std::mt19937 random(3);
  for (int round = 0; round < 400; ++round) {
    const GroupSpec spec = random_spec(random);
    for (int64_t page = 0; page < 12; ++page) {
      const int64_t first_query = random() % 260;
      bool seen = false;
      // A query beyond the horizon sees no more of the page than the last one before it.
      for (int64_t i = first_query; i < 400 && !seen; ++i) {
        for (int64_t j = page * 16; j < page * 16 + 16 && !seen; ++j) seen = visible(spec, i, j);
      }
      ASSERT_EQ(spec.page_needed(page, first_query), seen)
          << "window " << spec.window_tokens << " sink " << spec.sink_tokens << " stride "
          << spec.block_stride << " of " << spec.block_tokens << " page " << page << " query "
          << first_query;
    }
  }
}

TEST(GroupSpec, StayingPagesAreSeenByEveryLaterQuery) {
  std::mt19937 random(4);
  for (int round = 0; round < 400; ++round) {
    const GroupSpec spec = random_spec(random);
    for (int64_t page = 0; page < 12; ++page) {
      bool seen = false;
      for (int64_t j = page * 16; j < page * 16 + 16; ++j) seen |= visible(spec, 100000, j);
      ASSERT_EQ(spec.page_stays(page), seen);
    }
  }
}

TEST(GroupSpec, PeakBoundsWhatAChunkedPromptHolds) {
  std::mt19937 random(5);
  for (int round = 0; round < 400; ++round) {
    const GroupSpec spec = random_spec(random);
    const int64_t length = 1 + random() % 600, rows = 1 + random() % 100;
    KvCache cache({.groups = {spec}, .blocks = {pages_for(length)}});
    BlockTables tables = cache.empty_tables();
    int64_t most = 0;
    for (int64_t done = 0; done < length; done += rows) {
      ASSERT_TRUE(cache.grow(0, tables[0], pages_for(std::min(length, done + rows))));
      most = std::max(most, tables[0].live);
      cache.free_unseen(0, tables[0], std::min(length, done + rows));
    }
    ASSERT_LE(most, spec.pages_peak(length, rows));
    ASSERT_LE(spec.pages_peak(length, rows), pages_for(length));
    if (spec.full()) {
      ASSERT_EQ(spec.pages_peak(length, rows), most);
    }
  }
}

TEST(GroupSpec, PeakOfAWindowDoesNotGrowWithTheLength) {
  const GroupSpec spec{.window_tokens = 64, .sink_tokens = 16};
  EXPECT_EQ(spec.pages_peak(1 << 20, 32), spec.pages_peak(1 << 10, 32));
  EXPECT_LT(spec.pages_peak(1 << 20, 32), 12);
}

}  // namespace
}  // namespace tessera
