#include "engine/branch/policies/uniform_reuse.h"

#include <random>

#include "gmock/gmock.h"
#include "support/cache_rig.h"

namespace tessera {
namespace {

CachePlan plan_of(const UniformReuseParams& params, const CacheModel& model, const CacheJob& job) {
  const MadeCachePolicy policy = UniformReuse::make(params, model, job);
  EXPECT_TRUE(policy.ok()) << policy.status();
  return (*policy)->plan();
}

TEST(UniformReuse, EqualsTheRuleOverRandomSettings) {
  std::mt19937 random(7);
  const auto draw = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int trial = 0; trial < 300; ++trial) {
    const CacheJob job = job_of(draw(1, 90), static_cast<Spacing>(draw(0, 2)));
    const UniformReuseParams params{.interval = draw(1, 8),
                                    .self = draw(0, 5),
                                    .temporal = draw(0, 5),
                                    .cross = draw(0, 5),
                                    .mlp = draw(0, 5),
                                    .first_step = draw(0, 20)};
    const CachePlan plan = plan_of(params, video_model(2, true), job);
    const int64_t own[] = {params.self, params.cross, params.mlp, params.temporal, params.mlp};
    for (int site = 0; site < plan.sites; ++site) {
      const int64_t interval = own[site % 5] > 0 ? own[site % 5] : params.interval;
      const std::vector<int> served = served_from(plan, site);
      for (int64_t step = 0; step < job.steps(); ++step) {
        const int64_t since = step < params.first_step ? 0 : (step - params.first_step) % interval;
        ASSERT_EQ(served[step], step - since) << trial << " " << site << " " << step;
      }
    }
  }
}

TEST(UniformReuse, NeutralAndGated) {
  const CacheModel model = joint_model(2);
  EXPECT_TRUE(plan_of({.interval = 1}, model, job_of(20)).computes_everything());
  EXPECT_TRUE(
      plan_of({.interval = 5, .joint = 1, .mlp = 1}, model, job_of(20)).computes_everything());
  EXPECT_TRUE(plan_of({.first_step = 20}, model, job_of(20)).computes_everything());
  EXPECT_TRUE(plan_of({.gate_point = GatePoint::kPostGate}, model, job_of(20)).gated);
}

}  // namespace
}  // namespace tessera
