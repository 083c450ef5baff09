#include "engine/branch/policies/pab.h"

#include <random>

#include "gmock/gmock.h"
#include "support/cache_rig.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

CachePlan plan_of(const PabParams& params, const CacheModel& model, const CacheJob& job) {
  const MadeCachePolicy policy = Pab::make(params, model, job);
  EXPECT_TRUE(policy.ok()) << policy.status();
  return (*policy)->plan();
}

std::vector<int> in_window(const std::vector<int>& steps) {
  std::vector<int> inside;
  for (int step : steps) {
    if (step >= 10 && step <= 43) inside.push_back(step);
  }
  return inside;
}

TEST(Pab, PublishedSchedules) {
  const CacheModel model = video_model(28, true);
  const CachePlan plan = plan_of({}, model, job_of(50));
  const std::vector<int> spatial = computed_steps(plan, 0), cross = computed_steps(plan, 1),
                         temporal = computed_steps(plan, 3);
  EXPECT_EQ(spatial.size(), 33u);
  EXPECT_EQ(temporal.size(), 27u);
  EXPECT_EQ(cross.size(), 22u);
  EXPECT_THAT(in_window(cross), ElementsAre(12, 18, 24, 30, 36, 42));
  EXPECT_THAT(in_window(temporal), ElementsAre(12, 15, 18, 21, 24, 27, 30, 33, 36, 39, 42));
  EXPECT_EQ(in_window(spatial).size(), 17u);
  // With an offset of 1 the step at t = 101 falls into the window.
  const CachePlan offset = plan_of({}, model, job_of(50, Spacing::kLeading, 1));
  EXPECT_EQ(offset.at(0, 44), CacheVerdict::kCompute);
  EXPECT_EQ(offset.at(1, 44), CacheVerdict::kReuse);
  EXPECT_EQ(offset.at(3, 44), CacheVerdict::kReuse);
}

TEST(Pab, PublishedMlpTable) {
  PabParams params;
  params.mlp_timesteps = "720,640,560,480,400";
  for (bool in_pairs : {false, true}) {
    const CacheModel model = video_model(28, in_pairs);
    const CachePlan plan = plan_of(params, model, job_of(50));
    EXPECT_TRUE(plan.notes.empty());
    for (int pair = 0; pair < 28; ++pair) {
      for (int site : {5 * pair + 2, 5 * pair + 4}) {
        for (int step = 0; step < 50; ++step) {
          const bool key = step >= 13 && step <= 29 && (step - 13) % 4 == 0;
          const bool after =
              step >= 14 && step <= 31 && (step - 13) % 4 != 0 && (step - 13) % 4 != 3;
          const CacheVerdict expected = pair > 4 ? CacheVerdict::kCompute
                                        : key    ? CacheVerdict::kComputeAndKeep
                                        : after  ? CacheVerdict::kReuse
                                                 : CacheVerdict::kCompute;
          ASSERT_EQ(plan.at(site, step), expected) << site << " " << step;
        }
      }
    }
  }
}

TEST(Pab, TimestepsThatNoStepHasAreReported) {
  PabParams params;
  params.mlp_timesteps = "720,711";
  const CachePlan plan = plan_of(params, image_model(2), job_of(50));
  EXPECT_THAT(plan.notes, ElementsAre(HasSubstr("711 is not among the timesteps")));
}

// The rule of a hook on one module that counts its calls and always stores.
std::vector<int> hook(const BroadcastWindow& window, const CacheJob& job) {
  std::vector<int> served;
  int cache = -1;
  for (int call = 0; call < job.steps(); ++call) {
    const float t = job.timesteps[call];
    const bool inside = window.low < t && t < window.high;
    if (cache < 0 || !inside || call % window.range == 0) cache = call;
    served.push_back(cache);
  }
  return served;
}

TEST(Pab, EqualsTheHookOverRandomSettings) {
  std::mt19937 random(11);
  const auto draw = [&](int low, int high) {
    return std::uniform_int_distribution<int>(low, high)(random);
  };
  for (int trial = 0; trial < 400; ++trial) {
    const CacheJob job = job_of(draw(1, 120), static_cast<Spacing>(draw(0, 2)));
    const auto window = [&] {
      return BroadcastWindow{draw(1, 9), double(draw(-10, 900)), double(draw(0, 1010))};
    };
    PabParams params{.spatial = window(), .temporal = window(), .cross = window()};
    const int mlp_step = draw(0, job.steps() - 1);
    params.mlp_timesteps = std::to_string(static_cast<int>(job.timesteps[mlp_step]));
    params.mlp_skip = draw(0, 5);
    const CacheModel model = video_model(2, draw(0, 1) == 1);
    const CachePlan plan = plan_of(params, model, job);
    ASSERT_EQ(served_from(plan, 0), hook(params.spatial, job));
    ASSERT_EQ(served_from(plan, 1), hook(params.cross, job));
    ASSERT_EQ(served_from(plan, 3), hook(params.temporal, job));
    const std::vector<int> mlp = served_from(plan, 9);
    for (int step = 0; step < job.steps(); ++step) {
      const bool reused = step > mlp_step && step <= mlp_step + params.mlp_skip;
      ASSERT_EQ(mlp[step], reused ? mlp_step : step);
    }
  }
}

TEST(Pab, JointAttentionCountsAsSpatialInBothStreams) {
  const CacheModel model = joint_model(2);
  const CachePlan plan = plan_of({}, model, job_of(50));
  EXPECT_EQ(served_from(plan, 0), hook({2, 100, 800}, job_of(50)));
  EXPECT_EQ(served_from(plan, 1), served_from(plan, 0));
  EXPECT_EQ(computed_steps(plan, 2).size(), 50u);
  const CacheFootprint held = footprint_during(plan, model, 20);
  EXPECT_EQ(held.image, 2);
  EXPECT_EQ(held.context, 2);
}

TEST(Pab, KeepsOnlyWhatTheNextStepReuses) {
  const CacheModel model = image_model(3);
  const CachePlan plan = plan_of({}, model, job_of(50));
  for (int step = 0; step < 9; ++step)
    EXPECT_EQ(footprint_during(plan, model, step).image, 0) << step;
  EXPECT_EQ(plan.at(1, 9), CacheVerdict::kComputeAndKeep) << "right before the window";
  EXPECT_EQ(plan.at(0, 9), CacheVerdict::kCompute) << "step 10 computes spatial attention";
  EXPECT_EQ(footprint_during(plan, model, 10).image, 6);
  for (int step = 44; step < 50; ++step) EXPECT_EQ(footprint_during(plan, model, step).image, 0);
}

TEST(Pab, NeutralSettingsComputeEverything) {
  const CacheModel model = video_model(3, true);
  EXPECT_TRUE(plan_of({{1}, {1}, {1}}, model, job_of(50)).computes_everything());
  EXPECT_TRUE(plan_of({{2, 500, 500}, {3, 800, 100}, {6, -1, -1}}, model, job_of(50))
                  .computes_everything());
  EXPECT_FALSE(plan_of({}, model, job_of(50)).computes_everything());
}

TEST(Pab, ErrorsNameTheFieldAndTheForm) {
  const auto error = [](const PolicyParams& given) {
    CachePolicies policies{"cache policy"};
    policies.add<Pab, PabParams>("pab");
    return policies.make("pab", given, image_model(2), job_of(10)).status().ToString();
  };
  EXPECT_THAT(error({{"spatial_range", int64_t{0}}}),
              HasSubstr("pab.spatial_range is 0, must be in [1, 1000]"));
  EXPECT_THAT(error({{"gate_point", "gate"}}), HasSubstr("must be one of pre_gate, post_gate"));
  EXPECT_THAT(error({{"mlp_timesteps", "720,,640"}}),
              HasSubstr("pab.mlp_timesteps is \"720,,640\""));
  EXPECT_THAT(error({{"mlp_timesteps", "720;\n"}}), HasSubstr("\\n"));
  EXPECT_THAT(error({{"mlp_timesteps", std::string(100000, ',')}}), HasSubstr("mlp_timesteps"));
  for (const char* blocks :
       {"4-0", "a", "1-", "-1", "1-2-3", "0-99999999", "5,", "999999999999999999999"}) {
    EXPECT_THAT(error({{"mlp_blocks", blocks}}), HasSubstr("pab.mlp_blocks is")) << blocks;
  }
}

}  // namespace
}  // namespace tessera
