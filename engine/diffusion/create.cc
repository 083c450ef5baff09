// DiffusionEngine::create: from settings to a warm engine.
#include <algorithm>
#include <filesystem>
#include <sstream>

#include "engine/builtin/builtin.h"
#include "engine/denoisers/dit.h"
#include "engine/diffusion/denoise_engine.h"
#include "engine/diffusion/schedule_files.h"
#include "engine/weights/diffusers/diffusers_folder.h"
#include "engine/weights/fingerprint.h"

namespace tessera {
namespace {

constexpr int64_t kSegmentsMax = 64;
constexpr int kMeasuredSegments = 8;
constexpr int kRepetitions = 3;

// What differs between architectures before there is a network.
struct Network {
  DenoiserFactory make;
  LatentShape shape;  // a sample as the network was trained
  int64_t default_steps = 50;
  double default_guidance = 1;
};

absl::StatusOr<Network> network_of(const PipelineConfig& config, DType dtype) {
  if (const auto* dit = std::get_if<DitConfig>(&config.transformer)) {
    return Network{[dit = *dit, dtype](Region& weights) -> std::unique_ptr<Denoiser> {
                     return std::make_unique<Dit>(dit, dtype, weights);
                   },
                   {dit->in_channels, 1, dit->sample_size, dit->sample_size},
                   50,
                   4};
  }
  return absl::UnimplementedError(std::string(class_name(config.transformer)) +
                                  " is not served yet; DiTTransformer2DModel is");
}

absl::Status check_settings(const DiffusionModelSettings& settings) {
  if (settings.dtype != "auto" && settings.dtype != "bf16" && settings.dtype != "f32") {
    return absl::InvalidArgumentError("dtype is \"" + settings.dtype +
                                      "\", must be auto, bf16 or f32");
  }
  if (settings.rows_max < 0 || settings.rows_max > (1 << 20)) {
    return absl::InvalidArgumentError("rows_max is " + std::to_string(settings.rows_max) +
                                      ", must be in [0, 1048576]");
  }
  if (settings.queue_requests_max < 1) {
    return absl::InvalidArgumentError("queue_requests_max must be at least 1");
  }
  return absl::OkStatus();
}

// Steps of 1, 2, 4, ... samples of the trained size.
absl::StatusOr<CostModel> measure(DenoiseWorker& worker, const LatentShape& shape,
                                  int64_t rows_max) {
  Denoiser& denoiser = worker.denoiser();
  const absl::StatusOr<PositionRows> positions = denoiser.positions(shape, worker.stream());
  if (!positions.ok()) return positions.status();
  const int64_t tokens = denoiser.image_tokens(shape);
  std::vector<StepSample> samples;
  for (int count = 1; count <= kMeasuredSegments && count * tokens <= rows_max; count *= 2) {
    DenoisePlan plan;
    StepSample sample;
    for (int index = 0; index < count; ++index) {
      PlannedSegment planned;
      planned.segment.shape = shape;
      planned.segment.row_count = static_cast<int32_t>(tokens);
      planned.segment.output_offset = round_up(shape.elements(), FloatPool::kAlign);
      planned.positions = &*positions;
      plan.segments.push_back(planned);
      sample.shape.rows += tokens;
      sample.shape.contexts += tokens;
      sample.shape.pairs += tokens * tokens;
    }
    std::vector<double> seconds;
    for (int repetition = 0; repetition < kRepetitions; ++repetition) {
      const Clock::time_point begun = Clock::now();
      worker.launch(plan);
      worker.wait();
      seconds.push_back(std::chrono::duration<double>(Clock::now() - begun).count());
    }
    std::sort(seconds.begin(), seconds.end());
    sample.seconds = seconds[kRepetitions / 2];
    samples.push_back(sample);
  }
  return CostModel::fit(samples);
}

std::string bytes_text(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

absl::StatusOr<std::unique_ptr<DenoiseEngine>> create_engine(const DiffusionModelSettings& settings,
                                                             const DeviceSettings& device_settings,
                                                             DiffusionObserver* observer) {
  if (absl::Status status = check_settings(settings); !status.ok()) return status;
  const absl::StatusOr<std::shared_ptr<Device>> device = Device::get(device_settings);
  if (!device.ok()) return device.status();
  const absl::StatusOr<DiffusersFolder> folder = DiffusersFolder::open(settings.path);
  if (!folder.ok()) return folder.status();
  const PipelineConfig& config = folder->config();
  const DType dtype = settings.dtype == "f32" ? DType::kF32 : DType::kBf16;
  const absl::StatusOr<Network> network = network_of(config, dtype);
  if (!network.ok()) return network.status();
  const absl::StatusOr<SchedulerConfig> scheduler =
      builtin().solvers.parse("scheduler/scheduler_config.json", config.scheduler);
  if (!scheduler.ok()) return scheduler.status();

  DenoiseEngineParts parts;
  parts.settings = settings;
  parts.observer = observer;
  Region dry = Region::dry("facts");
  const std::unique_ptr<Denoiser> facts_only = network->make(dry);
  const int64_t tokens = facts_only->image_tokens(network->shape);
  WorkerLimits limits;
  limits.rows_max = static_cast<int>(settings.rows_max > 0 ? settings.rows_max
                                                           : std::max<int64_t>(2048, 4 * tokens));
  limits.segments_max = kSegmentsMax;
  limits.condition_rows =
      static_cast<int>(std::max<int64_t>(1, facts_only->facts().prompt_tokens_max));
  // Two branches of every sample that a step can hold, each with all that a solver may keep.
  constexpr int64_t kTensorsPerSample = 8;
  limits.pool_floats =
      kSegmentsMax * kTensorsPerSample * round_up(network->shape.elements(), FloatPool::kAlign);
  limits.feature_blocks = 0;
  const WorkerMemory bytes = DenoiseWorker::bytes_needed(network->make, dtype, limits);
  auto worker = DenoiseWorker::create(*device, network->make, dtype, limits);
  if (!worker.ok()) return worker.status();
  parts.worker = *std::move(worker);
  if (absl::Status status = folder->check_unchanged(); !status.ok()) return status;
  if (absl::Status status =
          parts.worker->denoiser().load(folder->transformer(), parts.worker->stream());
      !status.ok()) {
    return status;
  }
  parts.worker->wait();
  uint64_t decoder_bytes = 0;
  if (config.vae.has_value() && folder->vae() != nullptr) {
    auto decoder = DecodeWorker::create(*device, *config.vae, dtype,
                                        int64_t{4} * network->shape.height * network->shape.width);
    if (!decoder.ok()) return decoder.status();
    parts.decoder = *std::move(decoder);
    if (absl::Status status = parts.decoder->load(*folder->vae()); !status.ok()) return status;
    decoder_bytes = parts.decoder->bytes();
  }
  if (absl::Status status = folder->check_all_used(); !status.ok()) return status;

  absl::StatusOr<CostModel> cost = measure(*parts.worker, network->shape, limits.rows_max);
  if (!cost.ok()) return cost.status();
  parts.cost = std::make_unique<CostModel>(*std::move(cost));
  parts.limits = {.rows_max = limits.rows_max,
                  .segments_max = limits.segments_max,
                  .step_time_target_seconds = settings.step_time_target_seconds,
                  .cost = parts.cost.get()};
  parts.pools = {.floats = limits.pool_floats,
                 .modulation_slots = limits.segments_max,
                 .condition_pages = limits.condition_pages,
                 .context_rows = limits.context_rows,
                 .feature_blocks = limits.feature_blocks};
  parts.job_bytes = static_cast<int64_t>(bytes.jobs);

  const std::filesystem::path path = settings.path;
  JobRules& rules = parts.rules;
  rules.model_name = !settings.name.empty()
                         ? settings.name
                         : (path.has_filename() ? path : path.parent_path()).filename().string();
  rules.facts = parts.worker->denoiser().facts();
  rules.denoiser = &parts.worker->denoiser();
  rules.sites = static_cast<int64_t>(rules.denoiser->sites().size());
  rules.pixels_per_latent = parts.decoder == nullptr ? 1 : parts.decoder->pixels_per_latent();
  rules.default_shape = network->shape;
  rules.default_guidance = network->default_guidance;
  rules.default_steps = network->default_steps;
  rules.rows_max = limits.rows_max;
  rules.segments_max = limits.segments_max;
  rules.pools = parts.pools;
  rules.latent_pixels_max = int64_t{4} * network->shape.height * network->shape.width;
  rules.make_solver = [scheduler = *scheduler, steps = network->default_steps](
                          const DiffusionRequest& request, int64_t image_tokens) {
    SolverChoice choice{request.solver.value_or(""), {}};
    if (request.eta.has_value()) choice.params["eta"] = *request.eta;
    StepRequest wanted{.steps = request.steps.value_or(0),
                       .timesteps = request.timesteps,
                       .sigmas = request.sigmas,
                       .image_tokens = image_tokens};
    const bool listed = !wanted.timesteps.empty() || !wanted.sigmas.empty();
    if (!request.steps.has_value() && !listed) wanted.steps = steps;
    return builtin().solvers.make(scheduler, choice, wanted);
  };

  absl::StatusOr<std::map<std::string, UpdateSchedule>> schedules =
      read_schedule_files(settings.path);
  if (!schedules.ok()) return schedules.status();
  rules.default_solver = scheduler->solver;
  rules.policies = {&builtin().cache_policies, &builtin().guidance_policies,
                    builtin().plain_guidance, cache_model_of(*rules.denoiser)};
  rules.policies.network.fingerprint = checkpoint_fingerprint(folder->transformer());
  rules.policies.network.schedules = *std::move(schedules);

  DiffusionModelInfo& info = parts.info;
  info.name = rules.model_name;
  info.pipeline = config.pipeline;
  info.dtype = std::string(name_of(dtype));
  info.conditioning = "class";
  info.classes = rules.facts.classes;
  info.default_height = int64_t{network->shape.height} * rules.pixels_per_latent;
  info.default_width = int64_t{network->shape.width} * rules.pixels_per_latent;
  info.default_steps = network->default_steps;
  info.default_guidance = network->default_guidance;
  info.has_decoder = parts.decoder != nullptr;
  parts.description = (*device)->name() + "; memory plan: weights " + bytes_text(bytes.weights) +
                      ", jobs " + bytes_text(bytes.jobs) + ", scratch " +
                      bytes_text(bytes.scratch) + ", decoder " + bytes_text(decoder_bytes) +
                      "\ncost model: " + parts.cost->describe();
  return std::make_unique<DenoiseEngine>(std::move(parts));
}

}  // namespace

absl::StatusOr<std::unique_ptr<DiffusionEngine>> DiffusionEngine::create(
    const DiffusionModelSettings& settings, const DeviceSettings& device,
    DiffusionObserver* observer) {
  absl::StatusOr<std::unique_ptr<DenoiseEngine>> engine = create_engine(settings, device, observer);
  if (!engine.ok()) return engine.status();
  return *std::move(engine);
}

}  // namespace tessera
