// From a request to a job: every check that needs no lock, with errors that name field and bound.
// Pure; any thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/denoiser/denoiser.h"
#include "engine/diffusion/job.h"
#include "engine/diffusion/job_ledger.h"
#include "engine/diffusion/job_policies.h"
#include "engine/weights/diffusers/diffusion_policy_config.h"

namespace tessera {

// What the model and the deployment say about requests.
struct JobRules {
  std::string model_name;
  DenoiserFacts facts;
  const Denoiser* denoiser = nullptr;
  int64_t sites = 0;  // of the network
  bool has_decoder = false;
  int pixels_per_latent = 1;  // of the decoder
  // By which height and width become the pixels that networks with size conditions are told.
  int told_pixels_per_latent = 8;
  int smallest_attention = 1;  // videos: the fewest frames, and patches of a frame
  LatentShape default_shape;
  double default_guidance = 1;
  int64_t default_steps = 50;
  int64_t samples_max = 64;
  int64_t rows_max = 0, segments_max = 0;
  // The prompt's ids or rows to the branch; errors name `field`. Empty text is the model's empty
  // prompt. Absent where the model cannot read text.
  std::function<absl::Status(const char* field, std::string_view text, JobBranch& branch)>
      read_prompt;
  std::optional<DiffusionPolicyConfig> policy;  // models that answer actions
  // The scheduler_config.json of the folder, and the solver of a request on top of it.
  std::function<absl::StatusOr<std::unique_ptr<Solver>>(const DiffusionRequest&, int64_t tokens)>
      make_solver;
  std::string default_solver;
  PolicyRules policies;
  JobPools pools;
  JobPlan plan;  // of a job without cache policy; the solver's needs are the job's
};

// What the job's cache policy takes and spares, into its plan, and the job's parts as of divide().
// REQUIRES: everything else of the job is set.
absl::Status take_cache_policy(const JobRules& rules, Job& job);

absl::StatusOr<std::unique_ptr<Job>> accept_job(const JobRules& rules, DiffusionRequest request);

}  // namespace tessera
