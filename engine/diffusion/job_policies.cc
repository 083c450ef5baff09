#include "engine/diffusion/job_policies.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "engine/diffusion/step_verdicts.h"

namespace tessera {
namespace {

constexpr const char* kScale = "scale";

// The request's policy of this kind, or null.
template <class Policies>
const std::pair<const std::string, PolicyParams>* named_in(const Policies& known,
                                                           const DiffusionRequest& request) {
  for (const auto& named : request.policies) {
    if (known.contains(named.first)) return &named;
  }
  return nullptr;
}

absl::Status in_policies(const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("policies.", status.message()));
}

}  // namespace

CacheModel cache_model_of(const Denoiser& denoiser) {
  CacheModel model{.blocks = denoiser.block_count()};
  for (const DenoiserSite& site : denoiser.sites()) {
    model.sites.push_back({site.block, site.kind, site.context, site.adds});
  }
  return model;
}

absl::Status check_policies(const PolicyRules& rules, const DiffusionRequest& request) {
  const std::string* cache = nullptr;
  const std::string* guidance = nullptr;
  for (const auto& [name, params] : request.policies) {
    const bool is_cache = rules.caches->contains(name);
    if (!is_cache && !rules.guidances->contains(name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("policies.", absl::CHexEscape(name.substr(0, 64)),
                       ": no cache or guidance policy is called so; known: ",
                       absl::StrJoin(rules.caches->names(), ", "), ", ",
                       absl::StrJoin(rules.guidances->names(), ", ")));
    }
    const std::string*& first = is_cache ? cache : guidance;
    if (first != nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("policies: ", *first, " and ", name,
                                                     " are both ", is_cache ? "cache" : "guidance",
                                                     " policies; a request takes one of them"));
    }
    first = &name;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Guidance>> make_guidance(const PolicyRules& rules,
                                                        const DiffusionRequest& request,
                                                        double default_scale,
                                                        const GuidanceJob& about) {
  const auto* const named = named_in(*rules.guidances, request);
  const std::string& name = named == nullptr ? rules.plain_guidance : named->first;
  PolicyParams params = named == nullptr ? PolicyParams{} : named->second;
  if (request.guidance_scale.has_value() && params.contains(kScale)) {
    return absl::InvalidArgumentError(
        absl::StrCat("guidance_scale and policies.", name, ".scale are both given"));
  }
  params.try_emplace(kScale, request.guidance_scale.value_or(default_scale));
  auto made = rules.guidances->make(name, params, about);
  if (!made.ok()) return in_policies(made.status());
  return made;
}

absl::StatusOr<std::unique_ptr<CachePolicy>> make_cache_policy(const PolicyRules& rules,
                                                               const DiffusionRequest& request,
                                                               const CacheJob& about) {
  const auto* const named = named_in(*rules.caches, request);
  if (named == nullptr) return std::unique_ptr<CachePolicy>();
  auto made = rules.caches->make(named->first, named->second, rules.network, about);
  if (!made.ok()) return in_policies(made.status());
  return made;
}

void plan_features(const PolicyRules& rules, Job& job) {
  JobPlan& plan = job.plan;
  if (job.cache == nullptr || job.cache->plan().computes_everything()) return;
  const CachePlan& cache = job.cache->plan();
  plan.caches = true;
  plan.compute_share.assign(cache.steps, 1);
  plan.feature_blocks.assign(job.branches.size(), std::vector<int64_t>(cache.steps + 1));
  for (int step = cache.steps - 1; step >= 0; --step) {
    const CacheFootprint held = footprint_during(cache, rules.network, step);
    for (size_t which = 0; which < job.branches.size(); ++which) {
      const FeatureSizes sizes = job.feature_sizes(which);
      std::vector<int64_t>& blocks = plan.feature_blocks[which];
      const int64_t now = held.image * sizes.of_site(false) + held.context * sizes.of_site(true);
      blocks[step] = std::max(now, blocks[step + 1]);
    }
    const VerdictCounts counts = StepVerdicts(rules.network, cache, step).counts();
    const int64_t run = counts.computed + counts.kept;
    plan.compute_share[step] = static_cast<double>(run) / static_cast<double>(run + counts.reused);
  }
}

}  // namespace tessera
