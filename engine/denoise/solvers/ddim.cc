// DDIM (Song, Meng, Ermon, 2020). A non-Markovian process with the marginals of DDPM: predict the
// clean latents, then go to the next noise level along the predicted noise. eta mixes fresh noise
// in. The level after a step lies T / S timesteps below, whatever the spacing, as in diffusers;
// after a listed timestep comes the next in the list.
#include "engine/denoise/solvers/ddim.h"

#include <algorithm>
#include <cmath>

namespace tessera {

SchedulerClass Ddim::scheduler_class() {
  return {"DDIMScheduler", Process::kVariancePreserving, unsupported_everywhere()};
}

absl::StatusOr<std::unique_ptr<Solver>> Ddim::make(const DdimParams& params,
                                                   const StepRequest& request) {
  absl::StatusOr<DiscreteSteps> steps = discrete_steps("ddim", params.discrete, false, request);
  if (!steps.ok()) return steps.status();
  const int64_t stride = request.timesteps.empty()
                             ? params.discrete.noise.num_train_timesteps / steps->list.size()
                             : 0;
  return std::unique_ptr<Solver>(new Ddim(params, *std::move(steps), stride));
}

double Ddim::product_after(int index) const {
  int64_t after = -1;
  if (stride_ > 0) {
    after = static_cast<int64_t>(steps_.list.timesteps[index]) - stride_;
  } else if (index + 1 < steps_.list.size()) {
    after = static_cast<int64_t>(steps_.list.timesteps[index + 1]);
  }
  if (after >= 0) return steps_.products[after];
  return params_.set_alpha_to_one ? 1 : steps_.products[0];
}

Conversion Ddim::conversion(int index) const {
  const double now = steps_.products[static_cast<int>(steps_.list.timesteps[index])];
  return conversion_of(params_.discrete.prediction_type, std::sqrt(now), std::sqrt(1 - now));
}

std::vector<Combination> Ddim::step(int index) const {
  const double now = steps_.products[static_cast<int>(steps_.list.timesteps[index])];
  const double after = product_after(index);
  const Conversion from = conversion(index);
  const double deviation =
      params_.eta * std::sqrt(std::max(0.0, (1 - after) / (1 - now) * (1 - now / after)));
  const double clean = std::sqrt(after);
  const double direction = std::sqrt(std::max(0.0, 1 - after - deviation * deviation));
  if (params_.clip.range() > 0) {
    return {denoised(index),
            affine(Operand::kLatents, {{Operand::kDenoised, clean},
                                       {Operand::kLatents, direction * from.noise_x},
                                       {Operand::kOutput, direction * from.noise_e},
                                       {Operand::kNoise, deviation}})};
  }
  return {affine(Operand::kLatents,
                 {{Operand::kLatents, clean * from.clean_x + direction * from.noise_x},
                  {Operand::kOutput, clean * from.clean_e + direction * from.noise_e},
                  {Operand::kNoise, deviation}})};
}

Combination Ddim::denoised(int index) const {
  const Conversion from = conversion(index);
  return affine(Operand::kDenoised,
                {{Operand::kLatents, from.clean_x}, {Operand::kOutput, from.clean_e}},
                params_.clip.range());
}

}  // namespace tessera
