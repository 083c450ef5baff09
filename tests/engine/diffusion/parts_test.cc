// Requests of more samples than a step or the pools hold: they run in parts, and nobody can tell
// but by the time it takes.
#include <thread>

#include "engine/diffusion/branch_record.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/diffusion_rig.h"

namespace tessera {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::HasSubstr;

// A guided sample of the golden DiT has 2 segments of 16 rows.
constexpr int64_t kGuidedRows = 32;

DiffusionRequest request_of(const std::string& id, int64_t n, int64_t steps) {
  DiffusionRequest request;
  request.id = id;
  request.condition = ClassCondition{4};
  request.n = n;
  request.steps = steps;
  request.seed = 77;
  request.guidance_scale = 3;
  request.trace = true;
  return request;
}

// What was run, step by step, and how requests ended.
class StepWatch final : public DiffusionObserver {
 public:
  void on_denoise(const DenoiseReport& report) override { rows.push_back(report.rows); }
  void on_job_end(const JobTimings& timings, const std::string& outcome) override {
    outcomes.push_back(outcome);
    last = timings;
  }

  std::vector<int64_t> rows;
  std::vector<std::string> outcomes;
  JobTimings last;
};

// Holds so many guided samples in a step.
RigOptions small_steps(int64_t samples) {
  RigOptions options;
  options.rows_max = samples * kGuidedRows + kGuidedRows / 2;
  options.threaded = false;
  return options;
}

// Until the job has ended, with every invariant after every pass.
void run(DenoiseEngine& engine, CollectedJob& job) {
  for (int pass = 0; pass < 1000 && job.ends() == 0; ++pass) {
    engine.pass();
    EXPECT_THAT(engine.recount(), ElementsAre());
  }
  EXPECT_EQ(job.ends(), 1);
  // So that nobody waits for it.
  if (job.ends() == 0) job.post(JobFailed{absl::InternalError("never ends")});
}

JobResult result_of(const RigOptions& options, DiffusionRequest request) {
  RigOptions by_hand = options;
  by_hand.threaded = false;
  const auto engine = make_dit_engine(by_hand);
  const auto job = submit_to(*engine, std::move(request));
  run(*engine, *job);
  EXPECT_TRUE(job->status().ok()) << job->status();
  EXPECT_EQ(engine->load().job_bytes_used, 0);
  EXPECT_EQ(engine->load().running + engine->load().waiting, 0);
  return job->result();
}

std::vector<float> slice(const std::vector<float>& values, size_t n, size_t which) {
  const auto begin = values.begin() + static_cast<std::ptrdiff_t>(values.size() / n * which);
  return {begin, begin + static_cast<std::ptrdiff_t>(values.size() / n)};
}

std::vector<std::string> words_of(const std::string& line) {
  std::vector<std::string> words;
  std::istringstream in(line);
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// Cache and guidance policies whose decisions differ from sample to sample, and solvers with noise
// and with history.
std::vector<DiffusionRequest> requests() {
  std::vector<DiffusionRequest> all;
  const auto add = [&all](std::map<std::string, PolicyParams> policies, const char* solver) {
    DiffusionRequest request = request_of("request " + std::to_string(all.size()), 7, 9);
    request.policies = std::move(policies);
    request.solver = solver;
    request.noise = "torch_cpu";
    all.push_back(std::move(request));
  };
  add({}, "ddpm");
  add({{"pab", {{"spatial_range", int64_t{2}}, {"spatial_high", 900.0}}}}, "ddim");
  add({{"first_block_cache", {{"threshold", 1.2}}}}, "ddim");
  add({{"first_block_cache", {{"threshold", 9.0}, {"max_cached", int64_t{2}}}}}, "ddim");
  add({{"adaptive_guidance", {{"threshold", 0.9}, {"space", std::string("x0")}}}}, "dpmpp_2m");
  add({{"first_block_cache", {{"threshold", 1.2}}},
       {"adaptive_guidance", {{"threshold", 0.9}, {"space", std::string("x0")}}}},
      "ddpm");
  return all;
}

TEST(DiffusionParts, SamplesAreTheSameInPartsTogetherAndAlone) {
  int different_words = 0;
  for (const DiffusionRequest& request : requests()) {
    const JobResult together = result_of({}, request);
    StepWatch watch;
    RigOptions small = small_steps(3);
    small.observer = &watch;
    const JobResult parts = result_of(small, request);
    EXPECT_EQ(watch.rows.size(), 27u) << request.id;
    ASSERT_THAT(parts.values.shape, ElementsAre(7, 4, 8, 8));
    EXPECT_EQ(parts.values.values, together.values.values) << request.id;
    ASSERT_EQ(parts.trace, together.trace) << request.id;
    EXPECT_EQ(parts.notes, together.notes);
    EXPECT_EQ(parts.summary.computed, together.summary.computed);
    EXPECT_EQ(parts.summary.kept, together.summary.kept);
    EXPECT_EQ(parts.summary.reused, together.summary.reused);
    for (size_t which = 0; which < 7; ++which) {
      DiffusionRequest one = request;
      one.n = 1;
      one.seed = *request.seed + which;
      const JobResult alone = result_of({}, one);
      EXPECT_EQ(slice(parts.values.values, 7, which), alone.values.values)
          << request.id << " sample " << which;
      for (size_t step = 0; step < 9; ++step) {
        const std::vector<std::string> words = words_of(parts.trace[step]);
        ASSERT_EQ(words.size(), 7u);
        EXPECT_EQ(words[which], alone.trace[step]);
        different_words += words[which] == words[0] ? 0 : 1;
      }
    }
  }
  EXPECT_GT(different_words, 0) << "the policies decide alike for all";
}

TEST(DiffusionParts, CounterNoiseAndGivenLatentsGoByTheSample) {
  DiffusionRequest request = request_of("counter", 7, 4);
  request.solver = "ddpm";
  EXPECT_EQ(result_of(small_steps(2), request).values.values, result_of({}, request).values.values);

  request.latents = FloatArray{{7, 4, 8, 8}, {}};
  for (int at = 0; at < 7 * 256; ++at) {
    request.latents->values.push_back(static_cast<float>(at * 37 % 101) / 50 - 1);
  }
  request.solver = "ddim";
  const JobResult parts = result_of(small_steps(2), request);
  ASSERT_THAT(parts.values.shape, ElementsAre(7, 4, 8, 8));
  for (size_t which = 0; which < 7; ++which) {
    DiffusionRequest one = request;
    one.n = 1;
    one.latents = FloatArray{{1, 4, 8, 8}, slice(request.latents->values, 7, which)};
    EXPECT_EQ(slice(parts.values.values, 7, which), result_of({}, one).values.values) << which;
  }
}

TEST(DiffusionParts, AreFewAndEvenWhateverIsShort) {
  const auto rows_of = [](RigOptions options, int64_t n, const std::string& policy) {
    StepWatch watch;
    options.observer = &watch;
    DiffusionRequest request = request_of("few", n, 2);
    if (!policy.empty()) request.policies[policy] = {};
    const JobResult result = result_of(options, std::move(request));
    EXPECT_THAT(result.values.shape, ElementsAre(n, 4, 8, 8));
    EXPECT_THAT(watch.outcomes, ElementsAre("done"));
    for (int64_t& rows : watch.rows) rows /= kGuidedRows;
    return watch.rows;
  };
  EXPECT_THAT(rows_of(small_steps(3), 3, ""), ElementsAre(3, 3));
  EXPECT_THAT(rows_of(small_steps(3), 4, ""), ElementsAre(2, 2, 2, 2));
  EXPECT_THAT(rows_of(small_steps(3), 7, ""), ElementsAre(3, 3, 2, 2, 2, 2));
  EXPECT_THAT(rows_of(small_steps(4), 9, ""), ElementsAre(3, 3, 3, 3, 3, 3));
  RigOptions few_segments;
  few_segments.segments_max = 5;
  EXPECT_THAT(rows_of(few_segments, 3, ""), ElementsAre(2, 2, 1, 1));
  RigOptions few_floats;
  few_floats.pool_floats = 3000;
  EXPECT_THAT(rows_of(few_floats, 3, ""), ElementsAre(2, 2, 1, 1));
  RigOptions few_features;
  few_features.feature_blocks = 26;
  EXPECT_THAT(rows_of(few_features, 3, "uniform_reuse"), ElementsAre(2, 2, 1, 1));
}

TEST(DiffusionParts, RefusalsNameWhatOneSampleTakesAndHowManyThereMayBe) {
  RigOptions tiny;
  tiny.rows_max = 24;
  const auto engine = make_dit_engine(tiny);
  const auto sink = std::make_shared<CollectedJob>();
  EXPECT_THAT(engine->submit(request_of("rows", 3, 4), sink).ToString(),
              AllOf(HasSubstr("RESOURCE_EXHAUSTED: one sample of the request has 32 token rows"),
                    HasSubstr("a step holds at most 24")));
  EXPECT_THAT(engine->submit(request_of("rows", 65, 4), sink).ToString(),
              HasSubstr("INVALID_ARGUMENT: samples is 65, must be in [1, 64]"));
  for (const int64_t n : {int64_t{-1}, int64_t{0}, int64_t{1} << 40}) {
    DiffusionRequest request = request_of("n", n, 4);
    request.guidance_scale.reset();
    request.policies["adaptive_guidance"] = {};
    EXPECT_THAT(engine->submit(request, sink).ToString(), HasSubstr("samples is")) << n;
  }
  DiffusionRequest request = request_of("latents", 3, 4);
  request.latents = FloatArray{{1, 4, 8, 8}, std::vector<float>(256)};
  EXPECT_THAT(engine->submit(request, sink).ToString(),
              HasSubstr("latents has 256 values, the request has 768"));
  EXPECT_EQ(sink->ends(), 0);
}

TEST(DiffusionParts, ProgressIsTheMeanOfAllSamplesAndThereIsOneEnd) {
  StepWatch watch;
  RigOptions small = small_steps(3);
  small.observer = &watch;
  const auto engine = make_dit_engine(small);
  const auto job = submit_to(*engine, request_of("seven", 7, 5));
  for (int pass = 0; pass < 5; ++pass) engine->pass();
  EXPECT_EQ(job->steps_told(), 2);  // 3 samples of 7 have taken 5 steps
  engine->pass();
  EXPECT_EQ(engine->load().running, 1);
  EXPECT_EQ(engine->load().waiting, 0);
  run(*engine, *job);
  for (int pass = 0; pass < 5; ++pass) engine->pass();
  EXPECT_EQ(job->ends(), 1);
  EXPECT_THAT(job->told(), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(watch.outcomes, ElementsAre("done"));
  EXPECT_EQ(watch.rows.size(), 15u);
  const JobTimings& times = job->result().timings;
  EXPECT_NEAR(
      times.queue_seconds + times.condition_seconds + times.denoise_seconds + times.decode_seconds,
      times.total_seconds, 1e-9);
  EXPECT_THAT(times.denoise_seconds, Gt(times.total_seconds / 2));
}

TEST(DiffusionParts, ACancelInAnyPartLeavesNothing) {
  for (int passes = 0; passes < 12; ++passes) {
    const auto engine = make_dit_engine(small_steps(2));
    DiffusionRequest request = request_of("cancelled", 6, 4);
    request.policies["uniform_reuse"] = {};
    const auto job = submit_to(*engine, request), other = submit_to(*engine, request_of("b", 1, 9));
    for (int pass = 0; pass < passes; ++pass) engine->pass();
    ASSERT_EQ(job->ends(), 0) << passes;
    ASSERT_TRUE(engine->cancel("cancelled").ok());
    engine->pass();
    ASSERT_EQ(job->ends(), 1) << passes;
    EXPECT_EQ(job->status().code(), absl::StatusCode::kCancelled);
    EXPECT_THAT(engine->recount(), ElementsAre());
    EXPECT_EQ(engine->cancel("cancelled").code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(engine->load().running + engine->load().waiting, 1);
    run(*engine, *other);
    EXPECT_TRUE(other->status().ok());
    EXPECT_EQ(engine->load().job_bytes_used, 0);
    EXPECT_EQ(job->ends(), 1);
  }
}

TEST(DiffusionParts, ADeadlineCountsAllParts) {
  const auto engine = make_dit_engine(small_steps(2));
  // The rig predicts 6 ms for a step of two samples.
  DiffusionRequest request = request_of("two", 2, 500);
  request.deadline = Clock::now() + std::chrono::seconds(6);
  const auto two = submit_to(*engine, request);
  request.id = "six";
  request.n = 6;
  const auto refused = std::make_shared<CollectedJob>();
  EXPECT_EQ(engine->submit(request, refused).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(refused->ends(), 0);

  request.steps = 5;
  request.deadline = Clock::now() + std::chrono::milliseconds(1500);
  const auto six = submit_to(*engine, request);
  while (six->ends() == 0 && six->steps_told() < 3) engine->pass();  // its second part of three
  std::this_thread::sleep_until(*request.deadline);
  engine->pass();
  ASSERT_EQ(six->ends(), 1);
  EXPECT_THAT(six->status().ToString(),
              HasSubstr("DEADLINE_EXCEEDED: the deadline passed after " +
                        std::to_string(six->steps_told()) + " of 5 steps"));
  EXPECT_TRUE(engine->cancel(RequestId{"two"}).ok());
  engine->pass();
  EXPECT_EQ(two->ends(), 1);
  EXPECT_THAT(engine->recount(), ElementsAre());
  EXPECT_EQ(engine->load().job_bytes_used, 0);
}

// The pools hold one part, so who comes meanwhile waits for it, but not for all of them.
TEST(DiffusionParts, OthersWaitForOnePartAtMost) {
  RigOptions options;
  options.segments_max = 4;
  options.threaded = false;
  const auto engine = make_dit_engine(options);
  const auto large = submit_to(*engine, request_of("large", 6, 4));
  engine->pass();
  const auto small = submit_to(*engine, request_of("small", 1, 4));
  engine->pass();
  EXPECT_EQ(engine->load().running, 1);
  EXPECT_EQ(engine->load().waiting, 1);
  run(*engine, *small);
  EXPECT_EQ(large->ends(), 0);
  EXPECT_LT(large->steps_told(), 3);
  EXPECT_EQ(engine->load().running + engine->load().waiting, 1);
  run(*engine, *large);
  EXPECT_TRUE(large->status().ok() && small->status().ok());
  EXPECT_THAT(small->positions(), ElementsAre(0));
  EXPECT_THAT(large->positions(), ElementsAre(0));
  EXPECT_THAT(large->told(), ElementsAre(1, 2, 3, 4));
}

TEST(DiffusionParts, DrainWaitsForAllAndTheQueueCountsRequests) {
  RigOptions options = small_steps(2);
  options.threaded = true;
  const auto engine = make_dit_engine(options);
  std::vector<std::shared_ptr<CollectedJob>> jobs;
  for (int which = 0; which < 60; ++which) {  // 360 parts, and a queue of 256
    jobs.push_back(submit_to(*engine, request_of(std::to_string(which), 12, 2)));
  }
  engine->drain(Clock::now() + std::chrono::seconds(60));
  for (const auto& job : jobs) {
    ASSERT_EQ(job->ends(), 1);
    EXPECT_TRUE(job->status().ok()) << job->status();
    EXPECT_EQ(job->result().values.values, jobs[0]->result().values.values);
  }
  EXPECT_EQ(engine->load().job_bytes_used, 0);
}

TEST(DiffusionParts, ARecordIsOfTheFirstSampleAlone) {
  RigOptions options;
  options.rows_max = 3 * kGuidedRows;
  const auto engine = make_dit_engine(options);
  BranchRecord one, eight;
  ASSERT_TRUE(engine->record(request_of("one", 1, 4), one).ok());
  ASSERT_TRUE(engine->record(request_of("eight", 8, 4), eight).ok());
  ASSERT_EQ(one.branches.size(), eight.branches.size());
  for (size_t site = 0; site < one.branches.size(); ++site) {
    EXPECT_EQ(one.branches[site].outputs, eight.branches[site].outputs);
  }
}

TEST(DiffusionParts, APromptServesAllParts) {
  DiffusionModelSettings settings;
  settings.path = diffusion_folder("pixart");
  settings.dtype = "f32";
  std::vector<JobResult> results;
  for (const int64_t rows_max : {0, 64}) {
    settings.rows_max = rows_max;
    const auto engine = *DiffusionEngine::create(settings, {}, nullptr);
    DiffusionRequest request = request_of("prompt", 6, 3);
    request.condition = PromptCondition{"a red ball on a blue floor", "a square"};
    results.push_back(submit_to(*engine, request)->result());
    engine->drain(Clock::now() + std::chrono::seconds(60));
    EXPECT_EQ(engine->load().job_bytes_used, 0);
  }
  EXPECT_EQ(results[0].values.shape.at(0), 6);
  EXPECT_EQ(results[1].values.values, results[0].values.values);
}

TEST(DiffusionParts, PreviewsAreOfThePartThatRunsAndPixelsOfAll) {
  const auto make = [](int64_t rows_max) {
    DiffusionModelSettings settings;
    settings.path = kDitFolder;
    settings.dtype = "f32";
    settings.rows_max = rows_max;
    return *DiffusionEngine::create(settings, {}, nullptr);
  };
  DiffusionRequest request = request_of("pixels", 5, 24);
  request.preview_steps = 2;
  const auto in_parts = make(2 * kGuidedRows), whole = make(0);
  const auto parts = submit_to(*in_parts, request), together = submit_to(*whole, request);
  ASSERT_THAT(parts->result().values.shape, ElementsAre(5, 3, 64, 64));
  EXPECT_EQ(parts->result().values.values, together->result().values.values);
  std::map<int, const JobPreview*> at_step;
  for (const JobPreview& preview : together->previews()) at_step[preview.step] = &preview;
  std::map<int64_t, int> begun;
  int compared = 0;
  for (const JobPreview& preview : parts->previews()) {
    ++begun[preview.first_sample];
    const int64_t count = preview.first_sample == 4 ? 1 : 2;
    ASSERT_THAT(preview.pixels.shape, ElementsAre(count, 3, 64, 64));
    if (!at_step.contains(preview.step)) continue;
    const std::vector<float>& all = at_step[preview.step]->pixels.values;
    for (int64_t which = 0; which < count; ++which, ++compared) {
      EXPECT_EQ(slice(preview.pixels.values, count, which),
                slice(all, 5, preview.first_sample + which));
    }
  }
  EXPECT_GT(compared, 0);
  for (const auto& [first, count] : begun) EXPECT_TRUE(first == 0 || first == 2 || first == 4);
  EXPECT_GE(begun.size(), 2u);
}

// The pools hold one sample, so all wait between their parts; a preview is decoded while the last
// step runs.
TEST(DiffusionParts, PreviewsMayComeWhileTheNextPartWaits) {
  DiffusionModelSettings settings;
  settings.path = kDitFolder;
  settings.dtype = "f32";
  settings.memory_bytes = 64 << 10;
  const auto engine = DiffusionEngine::create(settings, {}, nullptr);
  ASSERT_TRUE(engine.ok()) << engine.status();
  std::vector<std::shared_ptr<CollectedJob>> jobs;
  for (int which = 0; which < 4; ++which) {
    DiffusionRequest request = request_of(std::to_string(which), 4, 2);
    request.preview_steps = 1;
    jobs.push_back(submit_to(**engine, request));
  }
  size_t previews = 0;
  for (const auto& job : jobs) {
    EXPECT_TRUE(job->status().ok()) << job->status();
    EXPECT_EQ(job->result().values.values, jobs[0]->result().values.values);
    previews += job->previews().size();
    EXPECT_GT(job->positions().size(), 0u);
  }
  EXPECT_GT(previews, 0u);
}

}  // namespace
}  // namespace tessera
