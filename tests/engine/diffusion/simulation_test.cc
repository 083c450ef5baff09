// Thousands of random jobs in one engine: random arrivals, sizes, samples, policies, cancels,
// deadlines and failures. After every step the pools are recounted; everybody hears exactly one
// end; who finishes has the bits that they have alone in an engine that holds all their samples at
// once.
#include <cstdio>
#include <random>

#include "absl/strings/str_join.h"
#include "engine/builtin/builtin.h"
#include "engine/diffusion/denoise_engine.h"
#include "gtest/gtest.h"
#include "support/diffusion_rig.h"
#include "support/fake_denoiser.h"

namespace tessera {
namespace {

// Sanitizers cost a factor of ten to twenty.
#ifdef TESSERA_DEBUG
constexpr int kJobs = 1000;
#else
constexpr int kJobs = 10000;
#endif

constexpr int64_t kRowsMax = 160;
constexpr int64_t kSamplesMost = 8;

class RowsWatch final : public DiffusionObserver {
 public:
  // Of an engine that holds so many times as much as the one that is simulated.
  explicit RowsWatch(int64_t times) : times(times) {}

  void on_denoise(const DenoiseReport& report) override {
    EXPECT_GE(report.jobs, 1);
    EXPECT_LE(report.rows, times * kRowsMax);
    ++steps;
    together += report.jobs;
    reused += report.reused;
  }
  void on_job_end(const JobTimings&, const std::string& outcome) override { ++outcomes[outcome]; }

  const int64_t times;
  int64_t steps = 0, together = 0, reused = 0;
  std::map<std::string, int> outcomes;
};

std::unique_ptr<DenoiseEngine> make_engine(RowsWatch& watch, std::atomic<int>& refusals) {
  DenoiseEngineParts parts;
  parts.threaded = false;
  parts.observer = &watch;
  parts.pools = {.floats = watch.times * 16384,
                 .modulation_slots = watch.times * 16,
                 .condition_pages = watch.times * 24,
                 .context_rows = watch.times * 256,
                 .feature_blocks = watch.times * 200};
  const int64_t rows_max = watch.times * kRowsMax, segments_max = parts.pools.modulation_slots;
  DeviceSettings device;
  device.threads = 1;
  parts.worker = *DenoiseWorker::create(
      *Device::get(device),
      [&refusals](Region&) { return std::make_unique<FakeDenoiser>(refusals); }, DType::kF32,
      {.rows_max = static_cast<int>(rows_max),
       .segments_max = static_cast<int>(segments_max),
       .condition_rows = FakeDenoiser::kPromptTokens,
       .pool_floats = parts.pools.floats,
       .feature_blocks = parts.pools.feature_blocks,
       .condition_pages = parts.pools.condition_pages,
       .context_rows = parts.pools.context_rows});
  parts.cost =
      std::make_unique<CostModel>(std::vector<CostModel::Knot>{{1, 1e-6}, {160, 1e-4}}, 0.0, 0.0);
  parts.limits = {.rows_max = rows_max, .segments_max = segments_max, .cost = parts.cost.get()};
  parts.settings.queue_requests_max = 64;
  JobRules& rules = parts.rules;
  rules.model_name = "fake";
  rules.denoiser = &parts.worker->denoiser();
  rules.facts = rules.denoiser->facts();
  rules.sites = static_cast<int64_t>(rules.denoiser->sites().size());
  rules.default_shape = {FakeDenoiser::kChannels, 1, 4, 4};
  rules.rows_max = rows_max;
  rules.segments_max = segments_max;
  rules.pools = parts.pools;
  rules.plan.has_pages = rules.plan.has_context = true;
  rules.policies = {&builtin().cache_policies, &builtin().guidance_policies,
                    builtin().plain_guidance, cache_model_of(*rules.denoiser)};
  rules.default_solver = "ddim";
  rules.make_solver = [](const DiffusionRequest& request, int64_t tokens) {
    static const SchedulerConfig kScheduler = *builtin().solvers.parse(
        "scheduler_config.json", R"({"_class_name": "DDIMScheduler", "beta_end": 0.004})");
    return builtin().solvers.make(kScheduler, {request.solver.value_or(""), {}},
                                  {.steps = *request.steps, .image_tokens = tokens});
  };
  return std::make_unique<DenoiseEngine>(std::move(parts));
}

class RandomRequests {
 public:
  explicit RandomRequests(uint32_t seed) : random_(seed) {}

  int64_t below(int64_t count) { return static_cast<int64_t>(random_() % count); }
  bool chance(int percent) { return below(100) < percent; }

  DiffusionRequest next() {
    DiffusionRequest request;
    request.id = "job " + std::to_string(count_++);
    request.height = 2 + 2 * below(4);
    request.width = 2 + 2 * below(4);
    if (chance(30)) request.n = 1 + below(kSamplesMost);
    request.steps = 1 + below(8);
    request.seed = random_();
    request.trace = true;
    request.priority = chance(10) ? 1 : 0;
    if (chance(70)) request.guidance_scale = 0.5 * static_cast<double>(below(12));
    if (chance(50)) request.solver = pick({"ddpm", "dpmpp_2m", "ddim"});
    if (chance(4)) {
      request.deadline = Clock::now() + std::chrono::microseconds(500 + below(3000));
    }
    EmbeddingCondition condition;
    condition.prompt = rows(1 + below(FakeDenoiser::kPromptTokens));
    if (chance(50)) condition.negative_prompt = rows(1 + below(FakeDenoiser::kPromptTokens));
    request.condition = std::move(condition);
    if (chance(80)) add_cache_policy(request);
    if (chance(30) && !request.guidance_scale.has_value()) {
      request.policies["adaptive_guidance"] = {{"scale", 1.5 + static_cast<double>(below(3))},
                                               {"threshold", number({-1.0, 0.5, 0.9, 0.99, 1.5})},
                                               {"min_steps", 1 + below(4)},
                                               {"space", pick({"eps", "x0"})}};
    }
    return request;
  }

 private:
  std::string pick(const std::vector<std::string>& of) { return of[below(of.size())]; }
  double number(const std::vector<double>& of) { return of[below(of.size())]; }

  FloatArray rows(int64_t count) {
    FloatArray array{{count, FakeDenoiser::kWidth}, {}};
    for (int64_t at = 0; at < count * FakeDenoiser::kWidth; ++at) {
      array.values.push_back(static_cast<float>(below(2000) - 1000) / 500);
    }
    return array;
  }

  void add_cache_policy(DiffusionRequest& request) {
    switch (below(4)) {
      case 0:
        request.policies["pab"] = {{"spatial_range", 1 + below(4)},
                                   {"cross_range", 1 + below(6)},
                                   {"spatial_low", number({-1, 100, 400})},
                                   {"spatial_high", number({300, 800, 1000})},
                                   {"gate_point", pick({"pre_gate", "post_gate"})}};
        break;
      case 1:
        request.policies["delta_cache"] = {{"interval", 1 + below(4)},
                                           {"cached_blocks", below(4)},
                                           {"boundary", below(9) - 1},
                                           {"store_both", chance(50)},
                                           {"force_last", chance(20)}};
        break;
      case 2:
        request.policies["uniform_reuse"] = {{"interval", 1 + below(4)}, {"first_step", below(3)}};
        break;
      default:
        request.policies["first_block_cache"] = {{"threshold", number({-1, 0, 0.02, 0.1, 0.3, 9})},
                                                 {"front_blocks", 1 + below(2)},
                                                 {"back_blocks", below(2)},
                                                 {"warmup", 1 + below(3)},
                                                 {"max_cached", below(4) - 1},
                                                 {"max_consecutive", below(4) - 1}};
    }
  }

  std::mt19937 random_;
  int64_t count_ = 0;
};

struct Live {
  DiffusionRequest request;
  std::shared_ptr<CollectedJob> job;
};

void expect_the_same_alone(const Live& live) {
  RowsWatch watch(kSamplesMost);
  std::atomic<int> refusals{0};
  const auto engine = make_engine(watch, refusals);
  DiffusionRequest request = live.request;
  request.deadline.reset();
  const auto alone = submit_to(*engine, std::move(request));
  for (int pass = 0; pass < 20 && alone->ends() == 0; ++pass) engine->pass();
  ASSERT_EQ(alone->ends(), 1);
  EXPECT_EQ(alone->result().values.values, live.job->result().values.values) << live.request.id;
  EXPECT_EQ(alone->result().trace, live.job->result().trace) << live.request.id;
  EXPECT_EQ(watch.steps, *live.request.steps) << live.request.id;
}

// Whether its rows under the condition alone are more than a step holds.
bool needs_parts(const DiffusionRequest& request) {
  const int64_t keys = std::get<EmbeddingCondition>(request.condition).prompt.shape[0];
  const int64_t tokens =
      *request.height * *request.width / (FakeDenoiser::kPatch * FakeDenoiser::kPatch);
  return request.n.value_or(1) * (tokens + keys) > kRowsMax;
}

TEST(DiffusionSimulation, KeepsEveryRule) {
  RowsWatch watch(1);
  std::atomic<int> refusals{0};
  const auto engine = make_engine(watch, refusals);
  RandomRequests random(17);
  std::vector<Live> live;
  int64_t submitted = 0, accepted = 0, refused = 0, finished = 0, passes = 0, in_parts = 0;
  while (submitted < kJobs || !live.empty()) {
    // Bursts and lulls.
    const int64_t arrivals = submitted >= kJobs ? 0 : passes / 200 % 3 == 2 ? 0 : random.below(3);
    for (int64_t arrival = 0; arrival < arrivals; ++arrival, ++submitted) {
      Live next{random.next(), std::make_shared<CollectedJob>()};
      const absl::Status status = engine->submit(next.request, next.job);
      if (status.ok()) {
        ++accepted;
        live.push_back(std::move(next));
      } else {
        ++refused;
        ASSERT_TRUE(absl::IsResourceExhausted(status) || absl::IsInvalidArgument(status) ||
                    absl::IsDeadlineExceeded(status))
            << status;
        ASSERT_EQ(next.job->ends(), 0);
      }
    }
    if (!live.empty() && random.chance(8)) {
      (void)engine->cancel(live[random.below(static_cast<int64_t>(live.size()))].request.id);
    }
    if (random.chance(2)) refusals = 1 + static_cast<int>(random.below(5));
    engine->pass();
    const std::vector<std::string> broken = engine->recount();
    ASSERT_EQ(absl::StrJoin(broken, "\n"), "") << "after pass " << passes;
    for (size_t at = 0; at < live.size();) {
      if (live[at].job->ends() == 0) {
        ++at;
        continue;
      }
      ASSERT_EQ(live[at].job->ends(), 1);
      const bool done = live[at].job->status().ok();
      const bool checks =
          done && (++finished % (kJobs / 100) == 0 || needs_parts(live[at].request));
      if (checks) expect_the_same_alone(live[at]);
      if (done && needs_parts(live[at].request)) ++in_parts;
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(at));
    }
    ASSERT_LT(++passes, 40 * kJobs) << "somebody never ends";
  }
  EXPECT_EQ(engine->load().job_bytes_used, 0);
  EXPECT_EQ(engine->load().running + engine->load().waiting, 0);
  int64_t ends = 0;
  for (const auto& [outcome, count] : watch.outcomes) ends += count;
  EXPECT_EQ(ends, accepted);
  EXPECT_GT(finished, kJobs / 2);
  EXPECT_GT(in_parts, kJobs / 200);
  for (const char* outcome : {"cancelled", "deadline", "error"}) {
    EXPECT_GT(watch.outcomes[outcome], kJobs / 1000) << outcome;
  }
  EXPECT_GT(watch.reused, 0);
  std::printf(
      "jobs %ld accepted %ld refused %ld finished %ld (in parts %ld) cancelled %d late %d "
      "failed %d, steps %ld with %.1f jobs each\n",
      submitted, accepted, refused, finished, in_parts, watch.outcomes["cancelled"],
      watch.outcomes["deadline"], watch.outcomes["error"], watch.steps,
      static_cast<double>(watch.together) / static_cast<double>(watch.steps));
}

}  // namespace
}  // namespace tessera
