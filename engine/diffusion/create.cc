// DiffusionEngine::create: from settings to a warm engine.
#include <cmath>
#include <filesystem>

#include "engine/builtin/builtin.h"
#include "engine/codecs/prompt_table.h"
#include "engine/diffusion/denoise_engine.h"
#include "engine/diffusion/measure_steps.h"
#include "engine/diffusion/network_choice.h"
#include "engine/diffusion/plan_limits.h"
#include "engine/diffusion/schedule_files.h"
#include "engine/weights/diffusers/diffusers_folder.h"
#include "engine/weights/fingerprint.h"

namespace tessera {
namespace {

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
  if (settings.memory_bytes < 0) return absl::InvalidArgumentError("memory_bytes is below 0");
  if (!(settings.memory_fraction > 0 && settings.memory_fraction <= 1)) {
    return absl::InvalidArgumentError("memory_fraction must be above 0 and at most 1");
  }
  return absl::OkStatus();
}

std::string bytes_text(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

std::string shares_text(const std::map<std::string, double>& shares) {
  std::string text;
  for (const auto& [part, share] : shares) {
    text +=
        (text.empty() ? "" : ", ") + part + " " + std::to_string(std::lround(100 * share)) + " %";
  }
  return text;
}

// Builds the parts of one engine, one after the other.
class Creation {
 public:
  Creation(const DiffusionModelSettings& settings, std::shared_ptr<Device> device,
           const DiffusersFolder& folder, DiffusionObserver* observer)
      : folder_(folder),
        config_(folder.config()),
        device_(std::move(device)),
        dtype_(settings.dtype == "f32" ? DType::kF32 : DType::kBf16) {
    parts_.settings = settings;
    parts_.observer = observer;
  }

  absl::StatusOr<std::unique_ptr<DenoiseEngine>> run() {
    absl::Status status = make_worker();
    if (status.ok()) status = make_decoder();
    if (status.ok()) status = make_encoder();
    if (status.ok()) status = folder_.check_all_used();
    if (status.ok()) status = measure();
    if (status.ok()) status = make_rules();
    if (!status.ok()) return status;
    describe();
    return std::make_unique<DenoiseEngine>(std::move(parts_));
  }

 private:
  bool is_policy() const {
    return std::holds_alternative<DiffusionPolicyConfig>(config_.transformer);
  }

  absl::Status make_worker() {
    absl::StatusOr<Network> network = network_of(config_, dtype_);
    if (!network.ok()) return network.status();
    network_ = *std::move(network);
    const DiffusionModelSettings& settings = parts_.settings;
    if (settings.steps > 0) network_.default_steps = settings.steps;
    if (settings.guidance_scale > 0) network_.default_guidance = settings.guidance_scale;
    absl::StatusOr<WorkerLimits> limits = plan_limits(parts_.settings, network_, dtype_);
    if (!limits.ok()) return limits.status();
    limits_ = *limits;
    bytes_ = DenoiseWorker::bytes_needed(network_.make, dtype_, limits_);
    auto worker = DenoiseWorker::create(device_, network_.make, dtype_, limits_);
    if (!worker.ok()) return worker.status();
    parts_.worker = *std::move(worker);
    if (absl::Status status = folder_.check_unchanged(); !status.ok()) return status;
    const absl::Status loaded =
        parts_.worker->denoiser().load(folder_.transformer(), parts_.worker->stream());
    parts_.worker->wait();
    return loaded;
  }

  absl::Status make_decoder() {
    if (!config_.vae.has_value() || folder_.vae() == nullptr) return absl::OkStatus();
    auto decoder =
        DecodeWorker::create(device_, *config_.vae, config_.vae->force_f32 ? DType::kF32 : dtype_,
                             int64_t{network_.shape.height} * network_.shape.width);
    if (!decoder.ok()) return decoder.status();
    parts_.decoder = *std::move(decoder);
    return parts_.decoder->load(*folder_.vae());
  }

  // What reads prompts: a text encoder, or the list of prompts that came with the model.
  absl::Status make_encoder() {
    const DenoiserFacts& facts = parts_.worker->denoiser().facts();
    const std::string& path = parts_.settings.path;
    if (facts.conditioning != Conditioning::kPrompt) return absl::OkStatus();
    if (!config_.text_encoder.has_value()) return read_prompt_table();
    absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer =
        Tokenizer::load(std::filesystem::path(path) / config_.tokenizer_folder);
    if (!tokenizer.ok()) return tokenizer.status();
    auto made = EncodeWorker::create(device_, *config_.text_encoder, dtype_, *std::move(tokenizer),
                                     static_cast<int>(facts.prompt_tokens_max));
    if (!made.ok()) return made.status();
    parts_.encoder = *std::move(made);
    parts_.rules.read_prompt = [encoder = parts_.encoder.get()](
                                   const char* field, std::string_view text, JobBranch& branch) {
      absl::StatusOr<std::vector<int32_t>> ids = encoder->ids(field, text);
      if (ids.ok()) branch.ids = *std::move(ids);
      return ids.status();
    };
    return parts_.encoder->load(*folder_.text_encoder());
  }

  absl::Status read_prompt_table() {
    const DenoiserFacts& facts = parts_.worker->denoiser().facts();
    if (facts.pooled_width > 0) return absl::OkStatus();
    auto table =
        PromptTable::open(parts_.settings.path, facts.prompt_width, facts.prompt_tokens_max);
    if (!table.ok()) return table.status();
    if (!table->has_value()) return absl::OkStatus();
    parts_.info.prompts = (*table)->prompts();
    parts_.rules.read_prompt = [table = **std::move(table)](
                                   const char* field, std::string_view text, JobBranch& branch) {
      absl::StatusOr<FloatArray> rows = table.find(field, text);
      if (rows.ok()) branch.prompt = *std::move(rows);
      return rows.status();
    };
    return absl::OkStatus();
  }

  absl::Status measure() {
    absl::StatusOr<std::map<std::string, double>> shares =
        measure_shares(*parts_.worker, network_.shape, limits_);
    if (!shares.ok()) return shares.status();
    parts_.info.step_shares = *std::move(shares);
    absl::StatusOr<CostModel> cost = measure_steps(*parts_.worker, network_.shape, limits_);
    if (!cost.ok()) return cost.status();
    parts_.cost = std::make_unique<CostModel>(*std::move(cost));
    parts_.limits = {.rows_max = limits_.rows_max,
                     .segments_max = limits_.segments_max,
                     .step_time_target_seconds = parts_.settings.step_time_target_seconds,
                     .cost = parts_.cost.get()};
    parts_.pools = pools_of(limits_);
    parts_.job_bytes = static_cast<int64_t>(bytes_.jobs);
    return absl::OkStatus();
  }

  absl::Status make_rules() {
    const char* const file = is_policy() ? "config.json: scheduler" : kSchedulerFile;
    const absl::StatusOr<SchedulerConfig> scheduler =
        builtin().solvers.parse(file, config_.scheduler);
    if (!scheduler.ok()) return scheduler.status();
    const std::filesystem::path path = parts_.settings.path;
    JobRules& rules = parts_.rules;
    rules.model_name = !parts_.settings.name.empty()
                           ? parts_.settings.name
                           : (path.has_filename() ? path : path.parent_path()).filename().string();
    rules.facts = parts_.worker->denoiser().facts();
    rules.denoiser = &parts_.worker->denoiser();
    rules.sites = static_cast<int64_t>(rules.denoiser->sites().size());
    if (parts_.decoder != nullptr) {
      rules.pixels_per_latent = parts_.decoder->pixels_per_latent();
      rules.told_pixels_per_latent = rules.pixels_per_latent;
      rules.has_decoder = true;
    }
    rules.default_shape = network_.shape;
    rules.default_guidance = network_.default_guidance;
    rules.default_steps = network_.default_steps;
    rules.rows_max = limits_.rows_max;
    rules.segments_max = limits_.segments_max;
    rules.smallest_attention = limits_.smallest_attention;
    rules.pools = parts_.pools;
    rules.plan.has_pages = rules.facts.context_layers > 0;
    rules.plan.has_context = rules.facts.context_stream;
    rules.plan.first_key = rules.facts.condition_first_key;
    if (is_policy()) rules.policy = std::get<DiffusionPolicyConfig>(config_.transformer);
    rules.default_solver = scheduler->solver;
    absl::StatusOr<std::map<std::string, UpdateSchedule>> schedules =
        read_schedule_files(parts_.settings.path);
    if (!schedules.ok()) return schedules.status();
    rules.policies = {&builtin().cache_policies, &builtin().guidance_policies,
                      builtin().plain_guidance, cache_model_of(*rules.denoiser)};
    rules.policies.network.fingerprint = checkpoint_fingerprint(folder_.transformer());
    rules.policies.network.schedules = *std::move(schedules);
    rules.make_solver = [scheduler = *scheduler, steps = network_.default_steps](
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
    return absl::OkStatus();
  }

  void describe() {
    const JobRules& rules = parts_.rules;
    DiffusionModelInfo& info = parts_.info;
    info.name = rules.model_name;
    info.pipeline = config_.pipeline;
    info.dtype = std::string(name_of(dtype_));
    info.default_steps = network_.default_steps;
    info.default_guidance = network_.default_guidance;
    info.has_text_encoder = rules.read_prompt != nullptr;
    info.has_decoder = parts_.decoder != nullptr;
    info.classes = rules.facts.classes;
    switch (rules.facts.conditioning) {
      case Conditioning::kClass:
        info.conditioning = "class";
        break;
      case Conditioning::kPrompt:
        info.conditioning = "prompt";
        break;
      case Conditioning::kObservation:
        info.conditioning = "observation";
        break;
    }
    if (rules.policy.has_value()) {
      info.observation_steps = rules.policy->observation_steps;
      info.observation_width = rules.policy->observation_width;
      info.horizon = rules.policy->horizon;
      info.action_width = rules.policy->action_width;
      info.first_action = rules.policy->first_action_step;
      info.action_count = rules.policy->action_steps;
    } else {
      info.default_height = int64_t{network_.shape.height} * rules.pixels_per_latent;
      info.default_width = int64_t{network_.shape.width} * rules.pixels_per_latent;
      info.default_frames = network_.shape.frames;
    }
    const uint64_t encoder = parts_.encoder == nullptr ? 0 : parts_.encoder->bytes();
    const uint64_t decoder = parts_.decoder == nullptr ? 0 : parts_.decoder->bytes();
    parts_.description =
        device_->name() + "; memory plan: weights " + bytes_text(bytes_.weights) + ", jobs " +
        bytes_text(bytes_.jobs) + ", scratch " + bytes_text(bytes_.scratch) + ", encoder " +
        bytes_text(encoder) + ", decoder " + bytes_text(decoder) +
        "\ncost model: " + parts_.cost->describe() + "\nstep: " + shares_text(info.step_shares) +
        tell_strangers(rules.policies.network.schedules, rules.policies.network.fingerprint);
  }

  static constexpr const char* kSchedulerFile = "scheduler/scheduler_config.json";

  const DiffusersFolder& folder_;
  const PipelineConfig& config_;
  const std::shared_ptr<Device> device_;
  const DType dtype_;
  Network network_;
  WorkerLimits limits_;
  WorkerMemory bytes_;
  DenoiseEngineParts parts_;
};

absl::StatusOr<std::unique_ptr<DenoiseEngine>> create_engine(const DiffusionModelSettings& settings,
                                                             const DeviceSettings& device_settings,
                                                             DiffusionObserver* observer) {
  if (absl::Status status = check_settings(settings); !status.ok()) return status;
  const absl::StatusOr<std::shared_ptr<Device>> device = Device::get(device_settings);
  if (!device.ok()) return device.status();
  const absl::StatusOr<DiffusersFolder> folder = DiffusersFolder::open(settings.path);
  if (!folder.ok()) return folder.status();
  return Creation(settings, *device, *folder, observer).run();
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
