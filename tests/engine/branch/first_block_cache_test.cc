#include "engine/branch/policies/first_block_cache.h"

#include <cmath>

#include "gmock/gmock.h"
#include "support/cache_rig.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<CachePolicy> make(const FirstBlockCacheParams& params, int steps = 10,
                                  int samples = 1, int blocks = 8) {
  CacheJob job = job_of(steps);
  job.samples = samples;
  MadeCachePolicy policy = FirstBlockCache::make(params, image_model(blocks), job);
  EXPECT_TRUE(policy.ok()) << policy.status();
  return *std::move(policy);
}

CacheVerdict ask(CachePolicy& policy, int step, double change, int sample = 0) {
  const RangeChange branches[] = {{.difference = change, .kept = 1},
                                  {.difference = change, .kept = 1}};
  return policy.decide({.sample = sample, .step = step, .cut = 0, .branches = branches});
}

TEST(FirstBlockCache, DeclaresItsCutAndWhatItAsks) {
  const auto policy = make({.front_blocks = 2, .back_blocks = 1, .warmup = 3});
  const CachePlan& plan = policy->plan();
  ASSERT_EQ(plan.cuts.size(), 1u);
  EXPECT_EQ(plan.cuts[0].before_block, 2);
  EXPECT_EQ(plan.ranges[plan.cuts[0].probe - plan.sites], (CacheRange{0, 1}));
  EXPECT_EQ(plan.ranges[plan.cuts[0].range - plan.sites], (CacheRange{2, 6}));
  for (int site : {plan.cuts[0].probe, plan.cuts[0].range}) {
    EXPECT_EQ(plan.at(site, 0), CacheVerdict::kCompute);
    EXPECT_EQ(plan.at(site, 2), CacheVerdict::kComputeAndKeep);
    for (int step = 3; step < 10; ++step) EXPECT_EQ(plan.at(site, step), CacheVerdict::kAsk);
  }
  const CacheModel model = image_model(8);
  EXPECT_EQ(footprint_during(plan, model, 1).image, 0);
  EXPECT_EQ(footprint_during(plan, model, 2).image, 2) << "the range and the probe";
  EXPECT_EQ(footprint_during(plan, model, 9).image, 3) << "and what the probe adds now";
}

TEST(FirstBlockCache, ReusesUpToTheThreshold) {
  const auto policy = make({.threshold = 0.1});
  EXPECT_EQ(ask(*policy, 1, 0.1), CacheVerdict::kReuse);
  EXPECT_EQ(ask(*policy, 2, 0.1001), CacheVerdict::kComputeAndKeep);
  EXPECT_EQ(ask(*policy, 3, 0), CacheVerdict::kReuse);
  EXPECT_EQ(ask(*policy, 9, 5), CacheVerdict::kCompute) << "nobody comes after the last step";
}

TEST(FirstBlockCache, OneDecisionForBothBranches) {
  const auto policy = make({.threshold = 0.1});
  const RangeChange mostly_one[] = {{.difference = 0.3, .kept = 1}, {.difference = 0, .kept = 9}};
  EXPECT_EQ(policy->decide({.step = 1, .branches = mostly_one}), CacheVerdict::kReuse);
  const RangeChange too_much[] = {{.difference = 1.1, .kept = 1}, {.difference = 0, .kept = 9}};
  EXPECT_EQ(policy->decide({.step = 2, .branches = too_much}), CacheVerdict::kComputeAndKeep);
}

TEST(FirstBlockCache, LimitsCountPerSample) {
  const auto policy = make({.threshold = 1, .max_cached = 3, .max_consecutive = 2}, 20, 2);
  EXPECT_EQ(ask(*policy, 1, 0), CacheVerdict::kReuse);
  EXPECT_EQ(ask(*policy, 2, 0), CacheVerdict::kReuse);
  EXPECT_EQ(ask(*policy, 3, 0), CacheVerdict::kComputeAndKeep) << "three in a row";
  EXPECT_EQ(ask(*policy, 4, 0), CacheVerdict::kReuse);
  EXPECT_EQ(ask(*policy, 5, 0), CacheVerdict::kComputeAndKeep) << "three in all";
  EXPECT_EQ(ask(*policy, 5, 0, /*sample=*/1), CacheVerdict::kReuse);
}

TEST(FirstBlockCache, BrokenMeasuresCompute) {
  const auto policy = make({.threshold = 10});
  EXPECT_EQ(ask(*policy, 1, std::nan("")), CacheVerdict::kComputeAndKeep);
  EXPECT_EQ(ask(*policy, 2, INFINITY), CacheVerdict::kComputeAndKeep);
  const RangeChange nothing_kept[] = {{.difference = 0, .kept = 0}};
  EXPECT_EQ(policy->decide({.step = 3, .branches = nothing_kept}), CacheVerdict::kComputeAndKeep);
}

TEST(FirstBlockCache, NeutralSettingsNeverAsk) {
  for (const FirstBlockCacheParams& params :
       {FirstBlockCacheParams{.threshold = -0.5}, FirstBlockCacheParams{.warmup = 10},
        FirstBlockCacheParams{.max_cached = 0}, FirstBlockCacheParams{.max_consecutive = 0}}) {
    const auto policy = make(params);
    EXPECT_TRUE(policy->plan().computes_everything());
    EXPECT_TRUE(policy->plan().cuts.empty());
    EXPECT_TRUE(policy->plan().ranges.empty());
  }
}

TEST(FirstBlockCache, ErrorsNameTheBound) {
  const auto error = [](const FirstBlockCacheParams& params) {
    return FirstBlockCache::make(params, image_model(8), job_of(10)).status().ToString();
  };
  EXPECT_THAT(error({.front_blocks = 8}),
              HasSubstr("first_block_cache.front_blocks is 8, must be in [1, 7]"));
  EXPECT_THAT(error({.front_blocks = 5, .back_blocks = 3}),
              HasSubstr("first_block_cache.back_blocks is 3, must be in [0, 2]"));
}

}  // namespace
}  // namespace tessera
