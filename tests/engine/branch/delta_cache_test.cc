#include "engine/branch/policies/delta_cache.h"

#include <random>

#include "gmock/gmock.h"
#include "support/cache_rig.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

CachePlan plan_of(const DeltaCacheParams& params, int blocks, int steps) {
  const MadeCachePolicy policy = DeltaCache::make(params, image_model(blocks), job_of(steps));
  EXPECT_TRUE(policy.ok()) << policy.status();
  return (*policy)->plan();
}

std::vector<int> whole_steps(const CachePlan& plan) {
  std::vector<int> whole;
  for (int step = 0; step < plan.steps; ++step) {
    bool reused = false;
    for (int site = plan.sites; site < plan.all_sites(); ++site) {
      reused = reused || plan.at(site, step) == CacheVerdict::kReuse;
    }
    if (!reused) whole.push_back(step);
  }
  return whole;
}

TEST(DeltaCache, PublishedSchedules) {
  const auto steps = [](int64_t interval, int64_t boundary, bool store_both) {
    return whole_steps(plan_of(
        {.interval = interval, .cached_blocks = 21, .boundary = boundary, .store_both = store_both},
        28, 20));
  };
  EXPECT_THAT(steps(3, 11, true), ElementsAre(0, 3, 6, 9, 12, 15, 18));
  EXPECT_THAT(steps(3, 11, false), ElementsAre(0, 3, 6, 9, 11, 14, 17));
  EXPECT_THAT(steps(2, 12, true), ElementsAre(0, 2, 4, 6, 8, 10, 12, 14, 16, 18));
  EXPECT_EQ(steps(2, 12, true), steps(2, 12, false));
}

TEST(DeltaCache, DefaultsAreThreeQuartersOfTheBlocksAndTwelveOfTwentySteps) {
  const CachePlan plan = plan_of({}, 28, 20);
  EXPECT_THAT(plan.ranges, ElementsAre(CacheRange{7, 27}, CacheRange{0, 20}));
  EXPECT_EQ(plan.at(plan.sites, 11), CacheVerdict::kReuse);
  EXPECT_EQ(plan.at(plan.sites + 1, 13), CacheVerdict::kReuse);
}

// The rule step by step: which range is reused, and from which step. -1 = the step runs whole.
struct Reuse {
  int64_t from = -1;
  bool late = false;
};

std::vector<Reuse> reference(const DeltaCacheParams& params, int steps) {
  std::vector<Reuse> reuses;
  int64_t last_whole = 0;
  for (int64_t i = 0; i < steps; ++i) {
    const bool late = i >= params.boundary;
    bool whole = i % params.interval == 0;
    if (!params.store_both) {
      const int64_t start = late ? params.boundary : 0;
      whole = i == 0 || i == params.boundary || (i - start) % params.interval == 0;
    }
    if (params.force_last && i == steps - 1) whole = true;
    if (whole) last_whole = i;
    reuses.push_back({whole ? -1 : last_whole, late});
  }
  return reuses;
}

TEST(DeltaCache, EqualsTheRuleOverRandomSettings) {
  std::mt19937 random(5);
  const auto draw = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int trial = 0; trial < 500; ++trial) {
    const int blocks = draw(1, 30), steps = draw(1, 80);
    const DeltaCacheParams params{.interval = draw(2, 9),
                                  .cached_blocks = draw(1, blocks),
                                  .boundary = draw(0, 90),
                                  .store_both = draw(0, 1) == 1,
                                  .force_last = draw(0, 1) == 1};
    const CachePlan plan = plan_of(params, blocks, steps);
    std::map<std::pair<int, int>, std::vector<int>> served;
    for (size_t range = 0; range < plan.ranges.size(); ++range) {
      served[{plan.ranges[range].first_block, plan.ranges[range].last_block}] =
          served_from(plan, plan.sites + static_cast<int>(range));
    }
    const std::vector<Reuse> expected = reference(params, steps);
    const int cached = static_cast<int>(params.cached_blocks);
    for (int step = 0; step < steps; ++step) {
      int reused = 0;
      for (const auto& [range, from] : served) {
        if (from[step] == step) continue;
        ++reused;
        ASSERT_EQ(from[step], expected[step].from);
        ASSERT_EQ(range, expected[step].late ? std::pair(0, cached - 1)
                                             : std::pair(blocks - cached, blocks - 1));
      }
      ASSERT_EQ(reused, expected[step].from < 0 ? 0 : 1) << trial << " step " << step;
    }
    for (int step = 0; step < steps; ++step) {
      ASSERT_LE(footprint_during(plan, image_model(blocks), step).image, 2);
    }
  }
}

TEST(DeltaCache, AtTheBoundaryBothRangesAreKeptByOneStep) {
  const CachePlan plan = plan_of({.interval = 3, .cached_blocks = 2, .boundary = 11}, 4, 20);
  EXPECT_EQ(plan.at(plan.sites, 9), CacheVerdict::kComputeAndKeep);
  EXPECT_EQ(plan.at(plan.sites + 1, 9), CacheVerdict::kComputeAndKeep);
  EXPECT_EQ(footprint_during(plan, image_model(4), 0).image, 1);
  EXPECT_EQ(footprint_during(plan, image_model(4), 10).image, 2);
  EXPECT_EQ(footprint_during(plan, image_model(4), 18).image, 1);
}

TEST(DeltaCache, NeutralSettingsComputeEverything) {
  for (const DeltaCacheParams& params :
       {DeltaCacheParams{.interval = 1}, DeltaCacheParams{.cached_blocks = 0}}) {
    const CachePlan plan = plan_of(params, 28, 20);
    EXPECT_TRUE(plan.computes_everything());
    EXPECT_TRUE(plan.ranges.empty());
  }
}

TEST(DeltaCache, MoreBlocksThanThereAreIsAnError) {
  const MadeCachePolicy policy = DeltaCache::make({.cached_blocks = 9}, image_model(8), job_of(10));
  EXPECT_EQ(policy.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(policy.status().ToString(),
              HasSubstr("delta_cache.cached_blocks is 9, must be in [-1, 8]"));
}

}  // namespace
}  // namespace tessera
