#include "engine/diffusion/accept_job.h"

#include <algorithm>
#include <random>

#include "engine/diffusion/accept_checks.h"
#include "engine/diffusion/accept_condition.h"
#include "engine/diffusion/job_parts.h"

namespace tessera {
namespace {

// Pixels to latents along one axis.
absl::Status to_latents(const char* field, std::optional<int64_t> pixels, int per_latent,
                        int& latents) {
  if (!pixels.has_value()) return absl::OkStatus();
  if (absl::Status status = check_between(field, static_cast<double>(*pixels), per_latent, 16384);
      !status.ok()) {
    return status;
  }
  if (*pixels % per_latent != 0) {
    return bad_request(std::string(field) + " is " + std::to_string(*pixels) +
                       ", must be a multiple of " + std::to_string(per_latent));
  }
  latents = static_cast<int>(*pixels / per_latent);
  return absl::OkStatus();
}

absl::Status check_meetings(const JobRules& rules, const Job& job) {
  const int64_t least = rules.smallest_attention, frames = job.shape.frames;
  if (!rules.facts.video || std::min(frames, job.tokens / frames) >= least) {
    return absl::OkStatus();
  }
  return bad_request("frames is " + std::to_string(frames) + " and a frame has " +
                     std::to_string(job.tokens / frames) + " patches, neither may be below " +
                     std::to_string(least));
}

absl::Status set_shape(const JobRules& rules, const DiffusionRequest& request, Job& job) {
  job.shape = rules.default_shape;
  const bool sized = request.height.has_value() || request.width.has_value();
  if (rules.facts.conditioning == Conditioning::kObservation && sized) {
    return bad_request("height and width: this model makes no pictures");
  }
  absl::Status status =
      to_latents("height", request.height, rules.pixels_per_latent, job.shape.height);
  status.Update(to_latents("width", request.width, rules.pixels_per_latent, job.shape.width));
  if (!status.ok()) return status;
  if (request.frames.has_value()) {
    if (!rules.facts.video) return bad_request("frames: this model makes no videos");
    status = check_between("frames", static_cast<double>(*request.frames), 1, 1024);
    if (!status.ok()) return status;
    job.shape.frames = static_cast<int>(*request.frames);
  }
  status = rules.denoiser->check(job.shape);
  if (!status.ok()) return status;
  job.tokens = rules.denoiser->image_tokens(job.shape);
  if (rules.facts.extra_conditions > 0) {
    const double height = job.shape.height, width = job.shape.width;
    job.extra = {static_cast<float>(height * rules.told_pixels_per_latent),
                 static_cast<float>(width * rules.told_pixels_per_latent),
                 static_cast<float>(height / width)};
  }
  return check_meetings(rules, job);
}

absl::Status set_guidance(const JobRules& rules, Job& job) {
  if (absl::Status status =
          check_between("guidance_scale", job.request.guidance_scale.value_or(1), 0, 100);
      !status.ok()) {
    return status;
  }
  const GuidanceJob about{static_cast<int>(job.n), rules.facts.guided};
  const double scale = rules.facts.guided ? rules.default_guidance : 1;
  absl::StatusOr<std::unique_ptr<Guidance>> guidance =
      make_guidance(rules.policies, job.request, scale, about);
  if (!guidance.ok()) return guidance.status();
  job.guidance = *std::move(guidance);
  job.branches.resize(job.guidance->guides(0, 0) ? 2 : 1);
  return absl::OkStatus();
}

absl::Status set_noise(Job& job) {
  const DiffusionRequest& request = job.request;
  const std::string noise = request.noise.value_or("counter");
  const std::optional<NoiseKind> kind = noise_named(noise);
  if (!kind.has_value()) {
    return bad_request("noise is \"" + noise + "\", must be counter, torch_cpu or torch_cuda");
  }
  job.noise = *kind;
  job.seed = request.seed.has_value() ? *request.seed : std::random_device{}();
  if (!request.latents.has_value()) return absl::OkStatus();
  const absl::Status status = check_finite("latents", *request.latents);
  if (!status.ok()) return status;
  const int64_t given = static_cast<int64_t>(request.latents->values.size());
  const int64_t elements = job.n * job.shape.elements();
  if (given == elements) return absl::OkStatus();
  return bad_request("latents has " + std::to_string(given) + " values, the request has " +
                     std::to_string(elements));
}

absl::Status set_cache_policy(const JobRules& rules, Job& job) {
  const CacheJob about{job.solver->steps().timesteps,
                       job.request.solver.value_or(rules.default_solver), static_cast<int>(job.n)};
  absl::StatusOr<std::unique_ptr<CachePolicy>> made =
      make_cache_policy(rules.policies, job.request, about);
  if (!made.ok()) return made.status();
  job.cache = *std::move(made);
  return take_cache_policy(rules, job);
}

}  // namespace

absl::Status take_cache_policy(const JobRules& rules, Job& job) {
  plan_features(rules.policies, job);
  const absl::Status status = divide(rules, job);
  job.summary.feature_bytes_most = JobLedger::needs(job).amounts.feature_blocks *
                                   kFeatureBlockRows * rules.facts.width *
                                   static_cast<int64_t>(sizeof(float));
  return status;
}

absl::StatusOr<std::unique_ptr<Job>> accept_job(const JobRules& rules, DiffusionRequest request) {
  if (!request.model.empty() && request.model != rules.model_name) {
    return absl::NotFoundError("no model is called \"" + request.model + "\"; there is " +
                               rules.model_name);
  }
  absl::Status status = check_policies(rules.policies, request);
  if (!status.ok()) return status;
  if (request.preview_steps < 0) return bad_request("preview_steps is below 0");
  if (request.preview_steps > 0 && !rules.has_decoder) {
    return absl::UnimplementedError("preview_steps: this model has no decoder");
  }
  auto job = std::make_unique<Job>();
  job->n = request.n.value_or(1);
  status = check_between("samples", static_cast<double>(job->n), 1,
                         static_cast<double>(rules.samples_max));
  if (!status.ok()) return status;
  job->request = std::move(request);
  status = set_shape(rules, job->request, *job);
  if (!status.ok()) return status;
  status = set_guidance(rules, *job);
  if (!status.ok()) return status;
  status = set_condition(rules, *job);
  if (status.ok()) status = set_noise(*job);
  if (!status.ok()) return status;
  absl::StatusOr<std::unique_ptr<Solver>> solver = rules.make_solver(job->request, job->tokens);
  if (!solver.ok()) return solver.status();
  job->solver = *std::move(solver);
  job->plan = rules.plan;
  job->plan.solver = job->solver->needs();
  status = set_cache_policy(rules, *job);
  if (!status.ok()) return status;
  return job;
}

}  // namespace tessera
