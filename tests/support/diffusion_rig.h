// A diffusion engine on the golden DiT, put together by hand with small pools; and what a client
// collects of it.
#pragma once

#include <condition_variable>
#include <mutex>

#include "engine/denoise/guidance/classifier_free.h"
#include "engine/denoisers/dit.h"
#include "engine/diffusion/denoise_engine.h"
#include "engine/weights/diffusers/diffusers_folder.h"
#include "support/golden_tensors.h"
#include "support/solver_rig.h"

namespace tessera {

inline const std::string kDitFolder =
    std::string(TESSERA_SOURCE_DIR) + "/tests/golden/diffusion/dit";

struct RigOptions {
  int64_t rows_max = 512, segments_max = 16, pool_floats = 1 << 18;
  DType dtype = DType::kF32;
  DeviceSettings device;
  double step_time_target_seconds = 0;
};

inline std::unique_ptr<DenoiseEngine> make_dit_engine(const RigOptions& options) {
  DenoiseEngineParts parts;
  const auto device = *Device::get(options.device);
  const auto folder = *DiffusersFolder::open(kDitFolder);
  const auto config = std::get<DitConfig>(folder.config().transformer);
  parts.worker =
      *DenoiseWorker::create(device,
                             [&options, &config](Region& weights) {
                               return std::make_unique<Dit>(config, options.dtype, weights);
                             },
                             options.dtype,
                             {.rows_max = static_cast<int>(options.rows_max),
                              .segments_max = static_cast<int>(options.segments_max),
                              .condition_rows = 1,
                              .pool_floats = options.pool_floats,
                              .feature_blocks = 64,
                              .condition_pages = 0});
  EXPECT_TRUE(parts.worker->denoiser().load(folder.transformer(), parts.worker->stream()).ok());
  parts.worker->wait();
  parts.cost =
      std::make_unique<CostModel>(std::vector<CostModel::Knot>{{1, 1e-4}, {512, 5e-2}}, 0.0, 0.0);
  parts.limits = {.rows_max = options.rows_max,
                  .segments_max = options.segments_max,
                  .step_time_target_seconds = options.step_time_target_seconds,
                  .cost = parts.cost.get()};
  JobRules& rules = parts.rules;
  rules.model_name = "dit";
  rules.facts = parts.worker->denoiser().facts();
  rules.denoiser = &parts.worker->denoiser();
  rules.sites = static_cast<int64_t>(rules.denoiser->sites().size());
  rules.pixels_per_latent = 1;
  rules.default_shape = {4, 1, 8, 8};
  rules.default_guidance = 4;
  rules.rows_max = options.rows_max;
  rules.segments_max = options.segments_max;
  parts.pools = {.floats = options.pool_floats,
                 .modulation_slots = options.segments_max,
                 .condition_pages = 0,
                 .context_rows = 0,
                 .feature_blocks = 64};
  rules.pools = parts.pools;
  const auto solvers = std::make_shared<Solvers>(all_solvers());
  const auto scheduler = *solvers->parse("scheduler_config.json", folder.config().scheduler);
  rules.make_guidance = [](double scale, const GuidanceJob& job) {
    return ClassifierFree::make({.scale = scale}, job);
  };
  rules.make_solver = [solvers, scheduler](const DiffusionRequest& request, int64_t tokens) {
    return solvers->make(scheduler, {request.solver.value_or(""), {}},
                         {.steps = request.steps.value_or(20),
                          .timesteps = request.timesteps,
                          .sigmas = request.sigmas,
                          .image_tokens = tokens});
  };
  return std::make_unique<DenoiseEngine>(std::move(parts));
}

class CollectedJob final : public DiffusionSink {
 public:
  void post(DiffusionEvent event) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (const auto* step = std::get_if<JobStep>(&event)) steps_ = step->step;
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
  absl::Status status() {
    result();
    return status_;
  }
  void wait_for_step(int step) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return steps_ >= step || ends_ > 0; });
  }
  int ends() const { return ends_; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  JobResult result_;
  absl::Status status_;
  int steps_ = 0, ends_ = 0;
};

}  // namespace tessera
