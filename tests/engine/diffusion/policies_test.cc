// Cache and guidance policies through the engine: neutral settings change no bit, nobody's policy
// changes another's bits, and PAB equals diffusers' own.
#include <cmath>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/diffusion_rig.h"
#include "support/sigma.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

using Policies = std::map<std::string, PolicyParams>;

DiffusionRequest request_of(const std::string& id, int64_t steps, Policies policies) {
  DiffusionRequest request;
  request.id = id;
  request.condition = ClassCondition{static_cast<int64_t>(std::hash<std::string>()(id) % 10)};
  request.steps = steps;
  request.seed = std::hash<std::string>()(id);
  request.policies = std::move(policies);
  request.trace = true;
  return request;
}

JobResult run_alone(DiffusionEngine& engine, const DiffusionRequest& request) {
  const auto job = submit_to(engine, request);
  EXPECT_TRUE(job->status().ok()) << job->status();
  return job->result();
}

// A cut that is asked but never reuses computes what a job without policy computes.
TEST(DiffusionPolicies, AskingAloneChangesNoBit) {
  const auto engine = make_dit_engine({});
  const std::vector<float> plain = run_alone(*engine, request_of("a", 9, {})).values.values;
  const JobResult asked =
      run_alone(*engine, request_of("a", 9, {{"first_block_cache", {{"threshold", 0.0}}}}));
  EXPECT_EQ(asked.values.values, plain);
  EXPECT_EQ(asked.trace[0], "CCCCCC|KK");
  EXPECT_EQ(asked.trace[3], "CCCCCC|KK");
  EXPECT_EQ(asked.trace[8], "CCCCCC|CC");
}

// Settings that reuse something in a few steps, for a network of so many blocks.
std::vector<Policies> all_policies(int64_t blocks) {
  return {{},
          {{"pab", {{"spatial_range", int64_t{2}}, {"spatial_high", 900.0}}}},
          {{"pab",
            {{"spatial_range", int64_t{3}},
             {"mlp_timesteps", std::string("850,500")},
             {"gate_point", std::string("post_gate")}}}},
          {{"delta_cache", {{"interval", int64_t{2}}, {"cached_blocks", blocks - 1}}}},
          {{"delta_cache",
            {{"interval", int64_t{3}}, {"cached_blocks", blocks}, {"store_both", false}}}},
          {{"first_block_cache", {{"threshold", 1.2}}}},
          {{"first_block_cache",
            {{"threshold", 9.0}, {"back_blocks", blocks - 2}, {"max_consecutive", int64_t{2}}}}},
          {{"first_block_cache", {{"threshold", 1.2}, {"front_blocks", blocks - 1}}}},
          {{"uniform_reuse", {{"interval", int64_t{2}}}}},
          {{"uniform_reuse", {{"interval", int64_t{3}}, {"gate_point", std::string("post_gate")}}},
           {"adaptive_guidance", {{"threshold", 0.5}, {"min_steps", int64_t{3}}}}},
          {{"adaptive_guidance", {{"threshold", 0.9}, {"space", std::string("x0")}}}},
          {{"first_block_cache", {{"threshold", 9.0}}},
           {"adaptive_guidance", {{"threshold", -1.0}, {"min_steps", int64_t{4}}}}}};
}

// A golden network, what its requests look like, and sizes they may have.
struct Model {
  std::string name;
  LatentShape shape;
  int64_t blocks;
  bool guided = true;
  std::vector<LatentShape> sizes{};  // none: requests give no size
  std::vector<std::string> solvers{};
};

void PrintTo(const Model& model, std::ostream* out) { *out << model.name; }

// Some rows of the goldens, scaled so that no two requests have the same.
void set_condition(const Model& model, int which, DiffusionRequest& request) {
  const GoldenTensors golden(diffusion_folder(model.name) + "/golden.safetensors");
  const auto rows = [&](const std::string& name) {
    if (!golden.has(name)) return FloatArray{};
    FloatArray array{golden.shape(name), golden.get(name)};
    for (float& value : array.values) value *= 1 + static_cast<float>(which) / 16;
    return array;
  };
  if (golden.has("run_0.observation")) {
    request.condition = ObservationCondition{rows("run_0.observation")};
  } else if (golden.has("run_0.prompt")) {
    request.condition =
        EmbeddingCondition{rows("run_0.prompt"), rows("run_0.pooled"),
                           rows("run_0.negative_prompt"), rows("run_0.negative_pooled")};
  }
}

// Policies with sizes, solvers, samples and guidance that differ.
std::vector<DiffusionRequest> mixed_requests(const Model& model) {
  std::vector<DiffusionRequest> requests;
  int which = 0;
  for (const Policies& policies : all_policies(model.blocks)) {
    DiffusionRequest request = request_of("job " + std::to_string(which), 4 + which % 9, policies);
    set_condition(model, which, request);
    if (!model.sizes.empty()) {
      const LatentShape& size = model.sizes[which % model.sizes.size()];
      request.height = size.height;
      request.width = size.width;
      if (model.shape.frames > 1) request.frames = size.frames;
    }
    if (model.guided && which % 4 != 2) request.guidance_scale = 1.5 + which;
    const size_t solver = which % (model.solvers.size() + 2);
    if (solver < model.solvers.size()) request.solver = model.solvers[solver];
    if (which % 6 == 5) request.n = 2;
    ++which;
    requests.push_back(request);
  }
  return requests;
}

class PoliciesInCompany : public ::testing::TestWithParam<Model> {};

TEST_P(PoliciesInCompany, ChangeNoBitOfAnother) {
  const Model& model = GetParam();
  std::vector<JobResult> alone;
  {
    const auto engine = make_engine(model.name, model.shape, {});
    for (const DiffusionRequest& request : mixed_requests(model)) {
      alone.push_back(run_alone(*engine, request));
    }
  }
  int64_t reuse = 0, drop = 0;
  for (const JobResult& result : alone) {
    if (result.summary.reused > 0) ++reuse;
    if (result.trace.back().ends_with(":c")) ++drop;
  }
  EXPECT_GE(reuse, 8);
  EXPECT_EQ(drop > 0, model.guided);
  std::mt19937 random(3);
  RigOptions few_rows;
  few_rows.rows_max = 160;
  few_rows.feature_blocks = 200;
  for (const RigOptions& options : {RigOptions{}, few_rows, RigOptions{}}) {
    const auto engine = make_engine(model.name, model.shape, options);
    const std::vector<DiffusionRequest> requests = mixed_requests(model);
    std::vector<size_t> order(requests.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::shuffle(order.begin(), order.end(), random);
    std::vector<std::shared_ptr<CollectedJob>> jobs(requests.size());
    for (const size_t which : order) {
      jobs[which] = submit_to(*engine, requests[which]);
      jobs[which]->wait_for_step(static_cast<int>(random() % 3));
    }
    for (size_t which = 0; which < jobs.size(); ++which) {
      ASSERT_TRUE(jobs[which]->status().ok()) << jobs[which]->status();
      const JobResult& together = jobs[which]->result();
      EXPECT_EQ(together.trace, alone[which].trace) << "job " << which;
      EXPECT_EQ(together.values.values, alone[which].values.values) << "job " << which;
      EXPECT_EQ(together.summary.reused, alone[which].summary.reused);
    }
    EXPECT_EQ(engine->load().job_bytes_used, 0);
  }
}

TEST_P(PoliciesInCompany, NeutralSettingsChangeNoBit) {
  const Model& model = GetParam();
  const auto engine = make_engine(model.name, model.shape, {});
  const auto run = [&](const Policies& policies) {
    DiffusionRequest request = request_of("a", 7, policies);
    set_condition(model, 3, request);
    return run_alone(*engine, request);
  };
  const JobResult plain = run({});
  std::vector<Policies> neutral = {{{"pab",
                                     {{"spatial_range", int64_t{1}},
                                      {"temporal_range", int64_t{1}},
                                      {"cross_range", int64_t{1}}}}},
                                   {{"pab",
                                     {{"spatial_low", 800.0},
                                      {"spatial_high", 100.0},
                                      {"temporal_low", 1e6},
                                      {"cross_low", 1e6}}}},
                                   {{"delta_cache", {{"interval", int64_t{1}}}}},
                                   {{"delta_cache", {{"cached_blocks", int64_t{0}}}}},
                                   {{"first_block_cache", {{"threshold", -0.5}}}},
                                   {{"uniform_reuse", {{"interval", int64_t{1}}}}},
                                   {{"adaptive_guidance", {{"threshold", 1.5}}}}};
  for (const Policies& policies : neutral) {
    const JobResult result = run(policies);
    EXPECT_EQ(result.values.values, plain.values.values) << policies.begin()->first;
    EXPECT_EQ(result.trace, plain.trace);
    EXPECT_EQ(result.trace[0], std::string(result.trace[0].size(), 'C'));
    EXPECT_EQ(result.summary.reused, 0);
    EXPECT_EQ(result.summary.kept, 0);
    EXPECT_EQ(result.summary.feature_bytes_most, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Networks, PoliciesInCompany,
    ::testing::Values(
        Model{"dit",
              {4, 1, 8, 8},
              3,
              true,
              {{4, 1, 8, 8}, {4, 1, 4, 12}, {4, 1, 16, 8}},
              {"dpmpp_2m", "ddpm"}},
        Model{
            "latte", {4, 5, 6, 10}, 2, true, {{4, 5, 6, 10}, {4, 2, 4, 4}, {4, 3, 2, 8}}, {"ddim"}},
        Model{"sd3", {16, 1, 6, 10}, 2, true, {{16, 1, 6, 10}, {16, 1, 4, 4}, {16, 1, 8, 6}}, {}},
        Model{"policy", {1, 1, 7, 5}, 2, false, {}, {"ddim"}}));

TEST(DiffusionPolicies, SummaryCountsEveryBranch) {
  const auto engine = make_dit_engine({});
  DiffusionRequest request = request_of(
      "counted", 10, {{"delta_cache", {{"interval", int64_t{2}}, {"cached_blocks", int64_t{2}}}}});
  request.guidance_scale = 3;
  const JobResult result = run_alone(*engine, request);
  // Five of ten steps leave out two of three blocks of two branches each, under two conditions.
  EXPECT_EQ(result.summary.reused, 5 * 4 * 2);
  EXPECT_EQ(result.summary.kept, 5 * 4 * 2);
  EXPECT_EQ(result.summary.computed, 10 * 6 * 2 - 2 * 5 * 4 * 2);
  // 60 % of ten steps reuse the rear; step 4 keeps it last, and the front for step 7 is kept by 6.
  EXPECT_THAT(result.trace, ::testing::ElementsAre(
                                "CCCCCC|KC", "CC----|RC", "CCCCCC|KC", "CC----|RC", "CCCCCC|KC",
                                "CC----|RC", "CCCCCC|CK", "----CC|CR", "CCCCCC|CK", "----CC|CR"));
  // One range of 16 rows of width 36 in f32, for two conditions.
  EXPECT_EQ(result.summary.feature_bytes_most, 2 * 16 * 36 * 4);
}

TEST(DiffusionPolicies, SettingsWithoutEffectAreTold) {
  const auto engine = make_dit_engine({});
  const JobResult result = run_alone(
      *engine, request_of("noted", 10, {{"pab", {{"mlp_timesteps", std::string("900,555")}}}}));
  EXPECT_THAT(result.notes, ::testing::ElementsAre(HasSubstr("555 is not among the timesteps")));
}

TEST(DiffusionPolicies, RefusalsNameWhatIsKnown) {
  const auto engine = make_dit_engine({});
  const auto refusal = [&](Policies policies, std::optional<double> scale = {}) {
    DiffusionRequest request = request_of("refused", 10, std::move(policies));
    request.guidance_scale = scale;
    const auto sink = std::make_shared<CollectedJob>();
    const absl::Status status = engine->submit(std::move(request), sink);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(sink->ends(), 0);
    return status.ToString();
  };
  EXPECT_THAT(refusal({{"tea_cache", {}}}),
              AllOf(HasSubstr("policies.tea_cache"), HasSubstr("first_block_cache, pab"),
                    HasSubstr("adaptive_guidance, classifier_free")));
  EXPECT_THAT(refusal({{"pab", {{"spatial", int64_t{2}}}}}),
              AllOf(HasSubstr("policies.pab"), HasSubstr("spatial_range")));
  EXPECT_THAT(refusal({{"pab", {{"spatial_range", int64_t{0}}}}}),
              HasSubstr("policies.pab.spatial_range is 0, must be in [1, 1000]"));
  EXPECT_THAT(refusal({{"pab", {}}, {"delta_cache", {}}}),
              HasSubstr("delta_cache and pab are both cache policies"));
  EXPECT_THAT(refusal({{"classifier_free", {}}, {"adaptive_guidance", {}}}),
              HasSubstr("both guidance policies"));
  EXPECT_THAT(refusal({{"adaptive_guidance", {{"scale", 3.0}}}}, 4.0), HasSubstr("both given"));
  EXPECT_THAT(refusal({{"first_block_cache", {{"front_blocks", int64_t{3}}}}}),
              HasSubstr("must be in [1, 2]"));
  EXPECT_THAT(refusal({{"bac", {}}}), HasSubstr("the model has none"));
}

TEST(DiffusionPolicies, MoreFeaturesThanTheStoreHoldsIsRefusedInWords) {
  RigOptions small;
  small.feature_blocks = 2;
  const auto engine = make_dit_engine(small);
  const auto sink = std::make_shared<CollectedJob>();
  EXPECT_THAT(engine->submit(request_of("large", 20, {{"uniform_reuse", {}}}), sink).ToString(),
              AllOf(HasSubstr("RESOURCE_EXHAUSTED"), HasSubstr("blocks of kept features")));
}

// Features go back when the last step that needs them is done, and all of them however a job ends.
TEST(DiffusionPolicies, StoreIsEmptyAfterEveryEnd) {
  RigOptions small;
  small.feature_blocks = 24;
  const auto engine = make_dit_engine(small);
  std::vector<std::shared_ptr<CollectedJob>> jobs;
  std::mt19937 random(5);
  const std::vector<Policies> policies = all_policies(3);
  for (int which = 0; which < 60; ++which) {
    DiffusionRequest request =
        request_of(std::to_string(which), 2 + which % 12, policies[random() % policies.size()]);
    if (which % 7 == 3) request.deadline = Clock::now() + std::chrono::milliseconds(200);
    jobs.push_back(std::make_shared<CollectedJob>());
    const absl::Status status = engine->submit(request, jobs.back());
    if (!status.ok()) {
      EXPECT_TRUE(absl::IsResourceExhausted(status) || absl::IsDeadlineExceeded(status)) << status;
      jobs.pop_back();
    }
    if (which % 5 == 4)
      (void)engine->cancel(std::to_string(which - static_cast<int>(random() % 4)));
  }
  for (const auto& job : jobs) {
    const absl::Status status = job->status();
    EXPECT_TRUE(status.ok() || absl::IsCancelled(status) || absl::IsDeadlineExceeded(status));
  }
  engine->drain(Clock::now() + std::chrono::seconds(10));
  EXPECT_EQ(engine->load().job_bytes_used, 0);
}

}  // namespace
}  // namespace tessera
