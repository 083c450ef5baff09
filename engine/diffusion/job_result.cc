#include "engine/diffusion/job_result.h"

namespace tessera {
namespace {

constexpr int64_t kColors = 3;

void restore_units(const LinearNormalizer& normalizer, std::vector<float>& actions) {
  for (size_t at = 0; at < actions.size(); ++at) {
    const size_t entry = at % normalizer.scale.size();
    actions[at] = (actions[at] - normalizer.offset[entry]) / normalizer.scale[entry];
  }
}

}  // namespace

FloatArray latents_of(const JobRules& rules, const Job& job, std::vector<float> latents) {
  FloatArray made{{job.n}, std::move(latents)};
  const bool acts = rules.policy.has_value();
  if (acts && !job.request.latents_only) restore_units(rules.policy->action, made.values);
  if (!acts) made.shape.push_back(job.shape.channels);
  if (rules.facts.video) made.shape.push_back(job.shape.frames);
  made.shape.push_back(job.shape.height);
  made.shape.push_back(job.shape.width);
  return made;
}

std::vector<int64_t> pixel_shape(const JobRules& rules, const Job& job, int64_t samples) {
  std::vector<int64_t> shape = {samples};
  if (rules.facts.video) shape.push_back(job.shape.frames);
  shape.push_back(kColors);
  shape.push_back(int64_t{job.shape.height} * rules.pixels_per_latent);
  shape.push_back(int64_t{job.shape.width} * rules.pixels_per_latent);
  return shape;
}

}  // namespace tessera
