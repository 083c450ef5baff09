// The techniques that a request names, made for its job: at most one cache policy and one guidance
// policy. Pure; any thread.
#pragma once

#include <memory>
#include <string>

#include "engine/branch/cache_policy.h"
#include "engine/denoise/guidance.h"
#include "engine/denoiser/denoiser.h"
#include "engine/diffusion/job.h"

namespace tessera {

struct PolicyRules {
  const CachePolicies* caches = nullptr;  // of this build, as the guidances
  const GuidancePolicies* guidances = nullptr;
  std::string plain_guidance;  // of a request that names none; its parameter is "scale"
  CacheModel network;
};

CacheModel cache_model_of(const Denoiser& denoiser);

// INVALID_ARGUMENT where a name is unknown, or two of a kind are named.
absl::Status check_policies(const PolicyRules& rules, const DiffusionRequest& request);

// REQUIRES, here and below: checked. The scale is the request's, else the policy's own parameter,
// else `default_scale`; INVALID_ARGUMENT where it is given twice.
absl::StatusOr<std::unique_ptr<Guidance>> make_guidance(const PolicyRules& rules,
                                                        const DiffusionRequest& request,
                                                        double default_scale,
                                                        const GuidanceJob& about);

// Null where the request names no cache policy.
absl::StatusOr<std::unique_ptr<CachePolicy>> make_cache_policy(const PolicyRules& rules,
                                                               const DiffusionRequest& request,
                                                               const CacheJob& about);

// What the job's cache policy takes of the feature store and leaves of the work, into its plan.
void plan_features(const PolicyRules& rules, Job& job);

}  // namespace tessera
