// DDPM (Ho, Jain, Abbeel, 2020), on any descending list of timesteps. A step goes to the mean of
// the posterior given the predicted clean latents, and adds noise of its variance, except at
// timestep 0.
#include "engine/denoise/solvers/ddpm.h"

#include <algorithm>
#include <cmath>

namespace tessera {

SchedulerClass Ddpm::scheduler_class() {
  return {"DDPMScheduler", Process::kVariancePreserving, unsupported_everywhere()};
}

absl::StatusOr<std::unique_ptr<Solver>> Ddpm::make(const DdpmParams& params,
                                                   const StepRequest& request) {
  absl::StatusOr<DiscreteSteps> steps = discrete_steps("ddpm", params.discrete, false, request);
  if (!steps.ok()) return steps.status();
  return std::unique_ptr<Solver>(new Ddpm(params, *std::move(steps)));
}

// a_t at a step; 1 past the last.
double Ddpm::product(int index) const {
  if (index == steps_.list.size()) return 1;
  return steps_.products[static_cast<int>(steps_.list.timesteps[index])];
}

Conversion Ddpm::conversion(int index) const {
  const double now = product(index);
  return conversion_of(params_.discrete.prediction_type, std::sqrt(now), std::sqrt(1 - now));
}

std::vector<Combination> Ddpm::step(int index) const {
  const double now = product(index), after = product(index + 1);
  const double kept = now / after, added = 1 - kept;
  const double clean = std::sqrt(after) * added / (1 - now);
  const double latents = std::sqrt(kept) * (1 - after) / (1 - now);
  double variance = 0;
  if (steps_.list.timesteps[index] > 0) {
    variance = params_.variance_type == DdpmVariance::kFixedLarge
                   ? added
                   : std::max((1 - after) / (1 - now) * added, 1e-20);
  }
  if (params_.clip.range() > 0) {
    return {denoised(index), affine(Operand::kLatents, {{Operand::kDenoised, clean},
                                                        {Operand::kLatents, latents},
                                                        {Operand::kNoise, std::sqrt(variance)}})};
  }
  const Conversion from = conversion(index);
  return {affine(Operand::kLatents, {{Operand::kLatents, clean * from.clean_x + latents},
                                     {Operand::kOutput, clean * from.clean_e},
                                     {Operand::kNoise, std::sqrt(variance)}})};
}

Combination Ddpm::denoised(int index) const {
  const Conversion from = conversion(index);
  return affine(Operand::kDenoised,
                {{Operand::kLatents, from.clean_x}, {Operand::kOutput, from.clean_e}},
                params_.clip.range());
}

}  // namespace tessera
