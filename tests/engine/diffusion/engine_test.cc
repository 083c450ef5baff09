// The loop on the golden DiT: a guided run equals diffusers', and a job's bits never depend on who
// else is served.
#include <cmath>
#include <random>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/diffusion_rig.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

DiffusionRequest request_of(const std::string& id, int64_t label, int64_t steps) {
  DiffusionRequest request;
  request.id = id;
  request.condition = ClassCondition{label};
  request.steps = steps;
  request.seed = std::hash<std::string>()(id);
  return request;
}

double deviation(const std::vector<float>& values) {
  double mean = 0, square = 0;
  for (const float value : values) mean += value / static_cast<double>(values.size());
  for (const float value : values) square += (value - mean) * (value - mean);
  return std::sqrt(square / static_cast<double>(values.size()));
}

TEST(DenoiseEngine, AGuidedRunEqualsDiffusers) {
  const GoldenTensors golden(kDitFolder + "/golden.safetensors");
  const auto engine = make_dit_engine({});
  for (int index = 0; golden.has("run_" + std::to_string(index) + ".noise"); ++index) {
    const std::string at = "run_" + std::to_string(index) + ".";
    const std::vector<int64_t> shape = golden.shape(at + "noise");
    DiffusionRequest request =
        request_of(at, golden.get<int32_t>(at + "label")[0],
                   static_cast<int64_t>(golden.get(at + "timesteps").size()));
    request.height = shape[1];
    request.width = shape[2];
    request.guidance_scale = golden.get(at + "guidance")[0];
    request.latents = FloatArray{shape, golden.get(at + "noise")};
    const auto job = submit_to(*engine, std::move(request));
    ASSERT_TRUE(job->status().ok()) << job->status();
    const std::vector<float> want = golden.get(at + "latents_19");
    const std::vector<float>& got = job->result().values.values;
    ASSERT_EQ(got.size(), want.size());
    double worst = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      worst = std::max<double>(worst, std::abs(got[i] - want[i]));
    }
    EXPECT_LT(worst / deviation(want), 1e-3) << at;
    // Every branch of every step: 3 blocks of 2 sites, for both guidance branches where there are
    // two.
    const int64_t branches = golden.get(at + "guidance")[0] > 1 ? 2 : 1;
    EXPECT_EQ(job->result().summary.computed, 20 * 6 * branches);
  }
}

// Sizes, steps, solvers, guidance, samples and noise of all kinds.
std::vector<DiffusionRequest> mixed_requests() {
  std::vector<DiffusionRequest> requests;
  const int64_t sizes[][2] = {{8, 8}, {4, 12}, {16, 8}};
  for (int which = 0; which < 12; ++which) {
    DiffusionRequest request =
        request_of("job " + std::to_string(which), which % 10, 3 + which * 5 % 17);
    request.height = sizes[which % 3][0];
    request.width = sizes[which % 3][1];
    request.guidance_scale = which % 4 == 0 ? 1.0 : 1.5 + which;
    if (which % 5 == 1) request.solver = "dpmpp_2m";
    if (which % 5 == 2) request.solver = "ddpm";
    if (which % 3 == 0) request.noise = "torch_cpu";
    if (which == 7) request.n = 3;
    requests.push_back(request);
  }
  return requests;
}

TEST(DenoiseEngine, BitsNeverDependOnCompany) {
  std::vector<std::vector<float>> alone;
  {
    const auto engine = make_dit_engine({});
    for (const DiffusionRequest& request : mixed_requests()) {
      const auto job = submit_to(*engine, request);
      ASSERT_TRUE(job->status().ok()) << job->status();
      alone.push_back(job->result().values.values);
    }
  }
  RigOptions short_steps, one_thread;
  short_steps.rows_max = 200;
  short_steps.step_time_target_seconds = 0.01;
  one_thread.device.threads = 1;
  std::mt19937 random(8);
  for (const RigOptions& options : {RigOptions{}, short_steps, one_thread}) {
    const auto engine = make_dit_engine(options);
    std::vector<std::shared_ptr<CollectedJob>> jobs;
    for (const DiffusionRequest& request : mixed_requests()) {
      jobs.push_back(submit_to(*engine, request));
      // Joins the others at some step of theirs.
      if (jobs.size() > 1) jobs[jobs.size() - 2]->wait_for_step(static_cast<int>(random() % 4));
    }
    for (size_t which = 0; which < jobs.size(); ++which) {
      ASSERT_TRUE(jobs[which]->status().ok()) << jobs[which]->status();
      EXPECT_EQ(jobs[which]->result().values.values, alone[which]) << "job " << which;
    }
  }
}

TEST(DenoiseEngine, CancelsAndDeadlinesEndWithinAStepAndNothingStays) {
  const auto engine = make_dit_engine({});
  DiffusionRequest late = request_of("late", 1, 20);
  late.deadline = Clock::now() + std::chrono::milliseconds(1);
  const auto refused = std::make_shared<CollectedJob>();
  EXPECT_EQ(engine->submit(late, refused).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(refused->ends(), 0);

  const auto job = submit_to(*engine, request_of("long", 2, 1000));
  job->wait_for_step(3);
  EXPECT_EQ(engine->submit(request_of("long", 2, 10), refused).code(),
            absl::StatusCode::kAlreadyExists);
  ASSERT_TRUE(engine->cancel("long").ok());
  EXPECT_EQ(job->status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(engine->cancel("long").code(), absl::StatusCode::kNotFound);
  engine->drain(Clock::now() + std::chrono::seconds(10));
  EXPECT_EQ(engine->load().job_bytes_used, 0);
  EXPECT_EQ(engine->load().running + engine->load().waiting, 0);
  EXPECT_EQ(engine->submit(request_of("after", 2, 10), refused).code(),
            absl::StatusCode::kUnavailable);
}

TEST(DenoiseEngine, ProgressIsToldNoMoreOftenThanAskedFor) {
  const auto engine = make_dit_engine({});
  DiffusionRequest request = request_of("all", 1, 5);
  EXPECT_THAT(submit_to(*engine, request)->told(), ElementsAre(1, 2, 3, 4, 5));
  request.id = "rarely";
  request.progress_interval = std::chrono::hours(1);
  EXPECT_THAT(submit_to(*engine, request)->told(), ElementsAre(1, 5));
}

TEST(DenoiseEngine, MoreJobsThanFitWaitTheirTurnAndAllMemoryComesBack) {
  RigOptions small;
  small.segments_max = 4;
  small.pool_floats = 8192;
  const auto engine = make_dit_engine(small);
  std::vector<std::shared_ptr<CollectedJob>> jobs;
  for (int which = 0; which < 40; ++which) {
    jobs.push_back(
        submit_to(*engine, request_of(std::to_string(which), which % 10, 1 + which % 7)));
    if (which % 6 == 5) (void)engine->cancel(std::to_string(which - 2));
  }
  for (const auto& job : jobs) {
    const absl::Status status = job->status();
    EXPECT_TRUE(status.ok() || absl::IsCancelled(status)) << status;
  }
  engine->drain(Clock::now() + std::chrono::seconds(10));
  EXPECT_EQ(engine->load().job_bytes_used, 0);
  for (const auto& job : jobs) EXPECT_EQ(job->ends(), 1);
}

TEST(DenoiseEngine, BadRequestsNameFieldAndBound) {
  const auto engine = make_dit_engine({});
  const auto refusal = [&](auto&& change) {
    DiffusionRequest request = request_of("bad", 1, 10);
    change(request);
    const auto sink = std::make_shared<CollectedJob>();
    const absl::Status status = engine->submit(std::move(request), sink);
    EXPECT_EQ(sink->ends(), 0);
    return status.ToString();
  };
  EXPECT_THAT(refusal([](auto& r) { r.condition = ClassCondition{10}; }),
              HasSubstr("class_label is 10, must be in [0, 9]"));
  EXPECT_THAT(refusal([](auto& r) {
                r.condition = PromptCondition{"a cat", ""};
              }),
              HasSubstr("prompt"));
  EXPECT_THAT(refusal([](auto& r) { r.height = 7; }), HasSubstr("whole patches"));
  EXPECT_THAT(refusal([](auto& r) { r.width = 1 << 20; }), HasSubstr("width is"));
  EXPECT_THAT(refusal([](auto& r) { r.frames = 4; }), HasSubstr("frames"));
  EXPECT_THAT(refusal([](auto& r) { r.steps = 0; }), HasSubstr("steps"));
  EXPECT_THAT(refusal([](auto& r) { r.steps = 5000; }), HasSubstr("steps"));
  EXPECT_THAT(refusal([](auto& r) { r.solver = "euler_b"; }),
              HasSubstr("INVALID_ARGUMENT: solver: no solver is called \"euler_b\""));
  EXPECT_THAT(refusal([](auto& r) { r.guidance_scale = std::nan(""); }), HasSubstr("scale"));
  EXPECT_THAT(refusal([](auto& r) { r.n = 0; }), HasSubstr("samples is 0"));
  EXPECT_THAT(refusal([](auto& r) { r.noise = "pink"; }), HasSubstr("pink"));
  EXPECT_THAT(refusal([](auto& r) {
                r.latents = FloatArray{{1, 4, 8, 8}, {1, 2}};
              }),
              HasSubstr("latents has 2 values"));
  EXPECT_THAT(refusal([](auto& r) {
                r.latents = FloatArray{{4, 8, 8}, std::vector<float>(256, INFINITY)};
              }),
              HasSubstr("latents[0] is not finite"));
  EXPECT_THAT(refusal([](auto& r) { r.height = r.width = 256; }), HasSubstr("needs"));
  EXPECT_THAT(refusal([](auto& r) { r.model = "other"; }), HasSubstr("there is dit"));
  EXPECT_THAT(refusal([](auto& r) { r.preview_steps = 2; }), HasSubstr("has no decoder"));
  EXPECT_THAT(refusal([](auto& r) { r.preview_steps = -1; }), HasSubstr("preview_steps"));
}

absl::StatusOr<std::unique_ptr<DiffusionEngine>> create(const std::string& folder) {
  DiffusionModelSettings settings;
  settings.path = std::string(TESSERA_SOURCE_DIR) + "/tests/golden/diffusion/" + folder;
  settings.dtype = "f32";
  return DiffusionEngine::create(settings, {}, nullptr);
}

TEST(DiffusionEngine, AFolderGivesThePixelsOfDiffusers) {
  const GoldenTensors golden(kDitFolder + "/golden.safetensors");
  const auto engine = create("dit");
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_EQ((*engine)->model().name, "dit");
  EXPECT_EQ((*engine)->model().classes, 10);
  EXPECT_EQ((*engine)->model().default_height, 64);
  std::vector<std::string> parts;
  double sum = 0;
  for (const auto& [part, share] : (*engine)->model().step_shares) {
    parts.push_back(part);
    EXPECT_GT(share, 0) << part;
    sum += share;
  }
  EXPECT_EQ(parts, (std::vector<std::string>{"ends", "mlp", "self"}));
  EXPECT_NEAR(sum, 1, 1e-9);
  EXPECT_THAT((*engine)->describe(), HasSubstr("memory plan: weights"));
  DiffusionRequest request = request_of("pixels", golden.get<int32_t>("run_0.label")[0], 20);
  request.guidance_scale = golden.get("run_0.guidance")[0];
  request.latents = FloatArray{golden.shape("run_0.noise"), golden.get("run_0.noise")};
  const auto sink = std::make_shared<CollectedJob>();
  ASSERT_TRUE((*engine)->submit(request, sink).ok());
  ASSERT_TRUE(sink->status().ok()) << sink->status();
  const FloatArray& got = sink->result().values;
  EXPECT_THAT(got.shape, ::testing::ElementsAre(1, 3, 64, 64));
  const std::vector<float> want = golden.get("run_0.pixels");
  ASSERT_EQ(got.values.size(), want.size());
  double worst = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    worst = std::max<double>(worst, std::abs(got.values[i] - want[i]));
  }
  EXPECT_LT(worst / deviation(want), 1e-3);
}

TEST(DiffusionEngine, SamplesAndFramesComeInOrderWhileOthersAreDenoised) {
  const auto engine = create("dit");
  ASSERT_TRUE(engine.ok()) << engine.status();
  DiffusionRequest three = request_of("three", 3, 4);
  three.n = 3;
  const auto busy = std::make_shared<CollectedJob>(), sink = std::make_shared<CollectedJob>();
  ASSERT_TRUE((*engine)->submit(request_of("busy", 1, 200), busy).ok());
  ASSERT_TRUE((*engine)->submit(three, sink).ok());
  const FloatArray& all = sink->result().values;
  ASSERT_THAT(all.shape, ::testing::ElementsAre(3, 3, 64, 64));
  for (uint64_t which = 0; which < 3; ++which) {
    DiffusionRequest one = request_of("one " + std::to_string(which), 3, 4);
    one.n = 3;
    one.seed = three.seed;
    one.latents_only = which == 1;
    const auto again = std::make_shared<CollectedJob>();
    ASSERT_TRUE((*engine)->submit(one, again).ok());
    if (which == 1) {
      EXPECT_THAT(again->result().values.shape, ::testing::ElementsAre(3, 4, 8, 8));
    } else {
      EXPECT_EQ(again->result().values.values, all.values);
    }
  }
  ASSERT_TRUE((*engine)->cancel("busy").ok() || busy->status().ok());
}

TEST(DiffusionEngine, RequestsThatSayNeitherGetTheStepsAndGuidanceOfTheSettings) {
  DiffusionModelSettings settings;
  settings.path = kDitFolder;
  settings.dtype = "f32";
  settings.steps = 5;
  settings.guidance_scale = 2.5;
  const auto engine = DiffusionEngine::create(settings, {}, nullptr);
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_EQ((*engine)->model().default_steps, 5);
  EXPECT_EQ((*engine)->model().default_guidance, 2.5);
  DiffusionRequest said = request_of("said", 3, 5);
  said.latents_only = true;
  said.guidance_scale = 2.5;
  DiffusionRequest silent = said;
  silent.id = "silent";
  silent.steps.reset();
  silent.guidance_scale.reset();
  const auto first = std::make_shared<CollectedJob>(), second = std::make_shared<CollectedJob>();
  ASSERT_TRUE((*engine)->submit(said, first).ok());
  ASSERT_TRUE((*engine)->submit(silent, second).ok());
  EXPECT_EQ(second->result().values.values, first->result().values.values);
}

TEST(DiffusionEngine, FoldersThatCannotBeServedAreRefusedInWords) {
  EXPECT_THAT(create("nowhere").status().ToString(), HasSubstr("nowhere"));
  DiffusionModelSettings settings;
  settings.path = kDitFolder;
  settings.dtype = "int4";
  EXPECT_THAT(DiffusionEngine::create(settings, {}, nullptr).status().ToString(),
              HasSubstr("dtype is \"int4\""));
}

}  // namespace
}  // namespace tessera
