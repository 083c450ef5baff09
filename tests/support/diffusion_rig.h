// A diffusion engine on a golden folder's network, put together by hand with small pools; and what
// a client collects of it.
#pragma once

#include <condition_variable>
#include <mutex>

#include "engine/builtin/builtin.h"
#include "engine/denoisers/diffusion_policy.h"
#include "engine/denoisers/dit.h"
#include "engine/denoisers/latte.h"
#include "engine/denoisers/pixart.h"
#include "engine/denoisers/sd3.h"
#include "engine/diffusion/denoise_engine.h"
#include "engine/weights/diffusers/diffusers_folder.h"
#include "engine/weights/fingerprint.h"
#include "support/golden_tensors.h"
#include "support/solver_rig.h"

namespace tessera {

inline std::string diffusion_folder(const std::string& name) {
  return std::string(TESSERA_SOURCE_DIR) + "/tests/golden/diffusion/" + name;
}
inline const std::string kDitFolder = diffusion_folder("dit");

struct RigOptions {
  int64_t rows_max = 512, segments_max = 16, pool_floats = 1 << 18, feature_blocks = 1024;
  DType dtype = DType::kF32;
  DeviceSettings device;
  double step_time_target_seconds = 0;
  bool threaded = true;  // false: the test calls pass()
  DiffusionObserver* observer = nullptr;
  std::map<std::string, UpdateSchedule> schedules;  // as they lie with the checkpoint
};

inline std::unique_ptr<Denoiser> make_network(const TransformerConfig& config, DType dtype,
                                              Region& weights) {
  if (const auto* dit = std::get_if<DitConfig>(&config)) {
    return std::make_unique<Dit>(*dit, dtype, weights);
  }
  if (const auto* pixart = std::get_if<PixArtConfig>(&config)) {
    return std::make_unique<PixArt>(*pixart, dtype, weights);
  }
  if (const auto* latte = std::get_if<LatteConfig>(&config)) {
    return std::make_unique<Latte>(*latte, dtype, weights);
  }
  if (const auto* sd3 = std::get_if<Sd3Config>(&config)) {
    return std::make_unique<Sd3>(*sd3, dtype, weights);
  }
  return std::make_unique<DiffusionPolicy>(std::get<DiffusionPolicyConfig>(config), dtype, weights);
}

// `shape` is that of requests which give no size; `network` learns what cache policies know.
inline std::unique_ptr<DenoiseEngine> make_engine(const std::string& name, const LatentShape& shape,
                                                  const RigOptions& options,
                                                  CacheModel* network = nullptr) {
  constexpr int64_t kConditionRows = 64;
  DenoiseEngineParts parts;
  parts.threaded = options.threaded;
  parts.observer = options.observer;
  const auto device = *Device::get(options.device);
  const auto folder = *DiffusersFolder::open(diffusion_folder(name));
  parts.pools = {.floats = options.pool_floats,
                 .modulation_slots = options.segments_max,
                 .condition_pages = options.segments_max * kConditionRows / kKvBlockTokens,
                 .context_rows = options.segments_max * kConditionRows,
                 .feature_blocks = options.feature_blocks};
  parts.worker = *DenoiseWorker::create(device,
                                        [&options, &folder](Region& weights) {
                                          return make_network(folder.config().transformer,
                                                              options.dtype, weights);
                                        },
                                        options.dtype,
                                        {.rows_max = static_cast<int>(options.rows_max),
                                         .segments_max = static_cast<int>(options.segments_max),
                                         .condition_rows = kConditionRows,
                                         .pool_floats = parts.pools.floats,
                                         .feature_blocks = parts.pools.feature_blocks,
                                         .condition_pages = parts.pools.condition_pages,
                                         .context_rows = parts.pools.context_rows});
  EXPECT_TRUE(parts.worker->denoiser().load(folder.transformer(), parts.worker->stream()).ok());
  parts.worker->wait();
  parts.cost =
      std::make_unique<CostModel>(std::vector<CostModel::Knot>{{1, 1e-4}, {512, 5e-2}}, 0.0, 0.0);
  parts.limits = {.rows_max = options.rows_max,
                  .segments_max = options.segments_max,
                  .step_time_target_seconds = options.step_time_target_seconds,
                  .cost = parts.cost.get()};
  JobRules& rules = parts.rules;
  rules.model_name = name;
  rules.facts = parts.worker->denoiser().facts();
  rules.denoiser = &parts.worker->denoiser();
  rules.sites = static_cast<int64_t>(rules.denoiser->sites().size());
  rules.pixels_per_latent = 1;
  rules.default_shape = shape;
  rules.default_guidance = 4;
  rules.rows_max = options.rows_max;
  rules.segments_max = options.segments_max;
  rules.pools = parts.pools;
  rules.plan.has_pages = rules.facts.context_layers > 0;
  rules.plan.has_context = rules.facts.context_stream;
  rules.plan.first_key = rules.facts.condition_first_key;
  if (const auto* policy = std::get_if<DiffusionPolicyConfig>(&folder.config().transformer)) {
    rules.policy = *policy;
  }
  const auto solvers = std::make_shared<Solvers>(all_solvers());
  const auto scheduler = *solvers->parse("scheduler_config.json", folder.config().scheduler);
  rules.default_solver = scheduler.solver;
  rules.policies = {&builtin().cache_policies, &builtin().guidance_policies,
                    builtin().plain_guidance, cache_model_of(*rules.denoiser)};
  rules.policies.network.fingerprint = checkpoint_fingerprint(folder.transformer());
  rules.policies.network.schedules = options.schedules;
  if (network != nullptr) *network = rules.policies.network;
  rules.make_solver = [solvers, scheduler](const DiffusionRequest& request, int64_t tokens) {
    return solvers->make(scheduler, {request.solver.value_or(""), {}},
                         {.steps = request.steps.value_or(20),
                          .timesteps = request.timesteps,
                          .sigmas = request.sigmas,
                          .image_tokens = tokens});
  };
  return std::make_unique<DenoiseEngine>(std::move(parts));
}

inline std::unique_ptr<DenoiseEngine> make_dit_engine(const RigOptions& options) {
  return make_engine("dit", {4, 1, 8, 8}, options);
}

class CollectedJob final : public DiffusionSink {
 public:
  void post(DiffusionEvent event) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (const auto* queued = std::get_if<JobQueued>(&event)) {
      EXPECT_TRUE(positions_.empty() || queued->position != positions_.back());
      positions_.push_back(queued->position);
    }
    if (const auto* step = std::get_if<JobStep>(&event)) {
      EXPECT_GT(step->step, steps_);
      EXPECT_LE(step->step, step->steps);
      steps_ = step->step;
      told_.push_back(step->step);
    }
    if (auto* preview = std::get_if<JobPreview>(&event)) {
      EXPECT_EQ(ends_, 0);
      previews_.push_back(std::move(*preview));
    }
    if (auto* result = std::get_if<JobResult>(&event)) result_ = std::move(*result);
    if (const auto* failed = std::get_if<JobFailed>(&event)) status_ = failed->status;
    if (std::holds_alternative<JobResult>(event) || std::holds_alternative<JobFailed>(event)) {
      ++ends_;
    }
    changed_.notify_all();
  }
  // Waits for the end.
  const JobResult& result() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return ends_ > 0; });
    return result_;
  }
  // Those that came until the end.
  const std::vector<JobPreview>& previews() {
    result();
    return previews_;
  }
  // The steps it was told of until the end.
  const std::vector<int>& told() {
    result();
    return told_;
  }
  // The positions in the queue that it was told until the end.
  const std::vector<int64_t>& positions() {
    result();
    return positions_;
  }
  absl::Status status() {
    result();
    return status_;
  }
  void wait_for_step(int step) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return steps_ >= step || ends_ > 0; });
  }
  int ends() const { return ends_; }
  int steps_told() const { return steps_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  JobResult result_;
  std::vector<JobPreview> previews_;
  absl::Status status_;
  std::vector<int> told_;
  std::vector<int64_t> positions_;
  int steps_ = 0, ends_ = 0;
};

inline std::shared_ptr<CollectedJob> submit_to(DiffusionEngine& engine, DiffusionRequest request) {
  auto sink = std::make_shared<CollectedJob>();
  const absl::Status status = engine.submit(std::move(request), sink);
  EXPECT_TRUE(status.ok()) << status;
  if (!status.ok()) sink->post(JobFailed{status});  // so that nobody waits for it
  return sink;
}

}  // namespace tessera
