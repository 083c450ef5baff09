#include "engine/diffusion/accept_job.h"

#include <cmath>
#include <cstdio>
#include <random>

namespace tessera {
namespace {

absl::Status bad(const std::string& words) { return absl::InvalidArgumentError(words); }

absl::Status check_between(const char* field, double value, double low, double high) {
  if (value >= low && value <= high) return absl::OkStatus();
  char words[160];
  std::snprintf(words, sizeof words, "%s is %g, must be in [%g, %g]", field, value, low, high);
  return bad(words);
}

absl::Status check_finite(const char* field, const FloatArray& array) {
  int64_t elements = 1;
  for (const int64_t extent : array.shape) {
    if (extent < 1 || extent > (int64_t{1} << 31) || elements > (int64_t{1} << 40) / extent) {
      return bad(std::string(field) + ".shape has an extent of " + std::to_string(extent));
    }
    elements *= extent;
  }
  if (array.shape.empty() || elements != static_cast<int64_t>(array.values.size())) {
    return bad(std::string(field) + " has " + std::to_string(array.values.size()) +
               " values, its shape says " + std::to_string(array.shape.empty() ? 0 : elements));
  }
  for (size_t at = 0; at < array.values.size(); ++at) {
    if (!std::isfinite(array.values[at])) {
      return bad(std::string(field) + "[" + std::to_string(at) + "] is not finite");
    }
  }
  return absl::OkStatus();
}

// Pixels to latents along one axis.
absl::Status to_latents(const char* field, std::optional<int64_t> pixels, int per_latent,
                        int& latents) {
  if (!pixels.has_value()) return absl::OkStatus();
  if (absl::Status status = check_between(field, static_cast<double>(*pixels), per_latent, 16384);
      !status.ok()) {
    return status;
  }
  if (*pixels % per_latent != 0) {
    return bad(std::string(field) + " is " + std::to_string(*pixels) + ", must be a multiple of " +
               std::to_string(per_latent));
  }
  latents = static_cast<int>(*pixels / per_latent);
  return absl::OkStatus();
}

absl::Status set_shape(const JobRules& rules, const DiffusionRequest& request, Job& job) {
  job.shape = rules.default_shape;
  absl::Status status =
      to_latents("height", request.height, rules.pixels_per_latent, job.shape.height);
  status.Update(to_latents("width", request.width, rules.pixels_per_latent, job.shape.width));
  if (!status.ok()) return status;
  if (request.frames.has_value()) {
    if (!rules.facts.video) return bad("frames: this model makes no videos");
    status = check_between("frames", static_cast<double>(*request.frames), 1, 1024);
    if (!status.ok()) return status;
    job.shape.frames = static_cast<int>(*request.frames);
  }
  status = rules.denoiser->check(job.shape);
  if (!status.ok()) return status;
  const int64_t latent_pixels = int64_t{job.shape.height} * job.shape.width;
  if (rules.latent_pixels_max > 0 && latent_pixels > rules.latent_pixels_max) {
    return bad("height x width is " + std::to_string(latent_pixels) +
               " latent pixels, must be at most " + std::to_string(rules.latent_pixels_max));
  }
  job.tokens = rules.denoiser->image_tokens(job.shape);
  return absl::OkStatus();
}

absl::Status set_guidance(const JobRules& rules, Job& job) {
  if (absl::Status status =
          check_between("guidance_scale", job.request.guidance_scale.value_or(1), 0, 100);
      !status.ok()) {
    return status;
  }
  const GuidanceJob about{static_cast<int>(job.request.n.value_or(1)), rules.facts.guided};
  const double scale = rules.facts.guided ? rules.default_guidance : 1;
  absl::StatusOr<std::unique_ptr<Guidance>> guidance =
      make_guidance(rules.policies, job.request, scale, about);
  if (!guidance.ok()) return guidance.status();
  job.guidance = *std::move(guidance);
  job.branches.resize(job.guidance->guides(0, 0) ? 2 : 1);
  return absl::OkStatus();
}

absl::Status set_class(const JobRules& rules, const ClassCondition& condition, Job& job) {
  if (rules.facts.conditioning != Conditioning::kClass) {
    return bad("class_label: this model takes no class label");
  }
  absl::Status status = check_between("class_label", static_cast<double>(condition.label), 0,
                                      rules.facts.classes - 1);
  if (!status.ok()) return status;
  job.branches[0].label = static_cast<int32_t>(condition.label);
  if (job.branches.size() > 1) job.branches[1].label = rules.facts.classes;
  return absl::OkStatus();
}

absl::Status set_embedding(const JobRules& rules, const char* field, const FloatArray& given,
                           const char* pooled_field, const FloatArray& pooled, JobBranch& branch) {
  absl::Status status = check_finite(field, given);
  if (!status.ok()) return status;
  if (given.shape.size() != 2 || given.shape[1] != rules.facts.prompt_width) {
    return bad(std::string(field) + " must be [tokens, " +
               std::to_string(rules.facts.prompt_width) + "]");
  }
  status =
      check_between((std::string(field) + ".shape[0]").c_str(), static_cast<double>(given.shape[0]),
                    1, static_cast<double>(rules.facts.prompt_tokens_max));
  if (!status.ok()) return status;
  branch.prompt = given;
  if (rules.facts.pooled_width == 0) {
    if (!pooled.values.empty()) return bad(std::string(pooled_field) + ": this model takes none");
    return absl::OkStatus();
  }
  status = check_finite(pooled_field, pooled);
  if (!status.ok()) return status;
  if (static_cast<int64_t>(pooled.values.size()) != rules.facts.pooled_width) {
    return bad(std::string(pooled_field) + " must have " +
               std::to_string(rules.facts.pooled_width) + " values");
  }
  branch.pooled = pooled;
  return absl::OkStatus();
}

absl::Status set_embeddings(const JobRules& rules, EmbeddingCondition& condition, Job& job) {
  if (rules.facts.conditioning != Conditioning::kPrompt) {
    return bad("embeddings: this model takes no prompt");
  }
  absl::Status status = set_embedding(rules, "embeddings.prompt", condition.prompt,
                                      "embeddings.pooled", condition.pooled, job.branches[0]);
  if (!status.ok() || job.branches.size() == 1) return status;
  if (condition.negative_prompt.values.empty()) {
    condition.negative_prompt = {{1, rules.facts.prompt_width},
                                 std::vector<float>(rules.facts.prompt_width)};
  }
  if (condition.negative_pooled.values.empty() && rules.facts.pooled_width > 0) {
    condition.negative_pooled = {{rules.facts.pooled_width},
                                 std::vector<float>(rules.facts.pooled_width)};
  }
  return set_embedding(rules, "embeddings.negative_prompt", condition.negative_prompt,
                       "embeddings.negative_pooled", condition.negative_pooled, job.branches[1]);
}

absl::Status set_observations(const JobRules& rules, const ObservationCondition& condition,
                              Job& job) {
  if (rules.facts.conditioning != Conditioning::kObservation) {
    return bad("observations: this model takes none");
  }
  absl::Status status = check_finite("observations", condition.observations);
  if (!status.ok()) return status;
  if (condition.observations.shape !=
      std::vector<int64_t>{rules.facts.prompt_tokens_max, rules.facts.prompt_width}) {
    return bad("observations must be [" + std::to_string(rules.facts.prompt_tokens_max) + ", " +
               std::to_string(rules.facts.prompt_width) + "]");
  }
  job.branches[0].prompt = condition.observations;
  return absl::OkStatus();
}

absl::Status set_condition(const JobRules& rules, Job& job) {
  auto& condition = job.request.condition;
  if (const auto* label = std::get_if<ClassCondition>(&condition)) {
    return set_class(rules, *label, job);
  }
  if (auto* embeddings = std::get_if<EmbeddingCondition>(&condition)) {
    return set_embeddings(rules, *embeddings, job);
  }
  if (const auto* observations = std::get_if<ObservationCondition>(&condition)) {
    return set_observations(rules, *observations, job);
  }
  return absl::UnimplementedError("prompt: this model has no text encoder; send embeddings");
}

absl::Status set_samples(const JobRules& rules, Job& job) {
  const DiffusionRequest& request = job.request;
  const int64_t n = request.n.value_or(1);
  absl::Status status =
      check_between("samples", static_cast<double>(n), 1, static_cast<double>(rules.samples_max));
  if (!status.ok()) return status;
  const std::string noise = request.noise.value_or("counter");
  if (noise != "counter" && noise != "torch_cpu") {
    return bad("noise is \"" + noise + "\", must be counter or torch_cpu");
  }
  if (request.latents.has_value()) {
    status = check_finite("latents", *request.latents);
    if (!status.ok()) return status;
    if (static_cast<int64_t>(request.latents->values.size()) != n * job.shape.elements()) {
      return bad("latents has " + std::to_string(request.latents->values.size()) +
                 " values, the request has " + std::to_string(n * job.shape.elements()));
    }
  }
  job.seed = request.seed.has_value() ? *request.seed : std::random_device{}();
  for (int64_t sample = 0; sample < n; ++sample) {
    JobSample made;
    made.draws.emplace(noise == "counter" ? NoiseKind::kCounter : NoiseKind::kTorchCpu, job.seed,
                       static_cast<int32_t>(sample));
    made.branches.resize(job.branches.size());
    job.samples.push_back(std::move(made));
  }
  return absl::OkStatus();
}

absl::Status set_cache_policy(const JobRules& rules, Job& job) {
  const CacheJob about{job.solver->steps().timesteps,
                       job.request.solver.value_or(rules.default_solver),
                       static_cast<int>(job.samples.size())};
  absl::StatusOr<std::unique_ptr<CachePolicy>> made =
      make_cache_policy(rules.policies, job.request, about);
  if (!made.ok()) return made.status();
  job.cache = *std::move(made);
  return take_cache_policy(rules, job);
}

}  // namespace

absl::Status take_cache_policy(const JobRules& rules, Job& job) {
  plan_features(rules.policies, job);
  const JobNeeds needs = JobLedger::needs(job);
  job.summary.feature_bytes_most = needs.amounts.feature_blocks * kFeatureBlockRows *
                                   rules.facts.width * static_cast<int64_t>(sizeof(float));
  const std::string excess = needs.excess(rules.pools);
  if (excess.empty()) return absl::OkStatus();
  return absl::ResourceExhaustedError("the request " + excess);
}

absl::StatusOr<std::unique_ptr<Job>> accept_job(const JobRules& rules, DiffusionRequest request) {
  if (!request.model.empty() && request.model != rules.model_name) {
    return absl::NotFoundError("no model is called \"" + request.model + "\"; there is " +
                               rules.model_name);
  }
  absl::Status status = check_policies(rules.policies, request);
  if (!status.ok()) return status;
  if (request.preview_steps != 0) {
    return absl::UnimplementedError("preview_steps: this engine makes no previews yet");
  }
  auto job = std::make_unique<Job>();
  job->request = std::move(request);
  status = set_shape(rules, job->request, *job);
  if (!status.ok()) return status;
  status = set_guidance(rules, *job);
  if (!status.ok()) return status;
  status = set_condition(rules, *job);
  if (status.ok()) status = set_samples(rules, *job);
  if (!status.ok()) return status;
  absl::StatusOr<std::unique_ptr<Solver>> solver = rules.make_solver(job->request, job->tokens);
  if (!solver.ok()) return solver.status();
  job->solver = *std::move(solver);
  job->plan = rules.plan;
  job->plan.solver = job->solver->needs();
  status = set_cache_policy(rules, *job);
  if (!status.ok()) return status;
  if (job->rows() > rules.rows_max) {
    return absl::ResourceExhaustedError("the request has " + std::to_string(job->rows()) +
                                        " token rows, a step holds at most " +
                                        std::to_string(rules.rows_max));
  }
  return job;
}

}  // namespace tessera
