#include "engine/denoise/prediction.h"

#include "engine/weights/message.h"

namespace tessera {

absl::StatusOr<DiscreteSteps> discrete_steps(std::string_view solver, const DiscreteParams& params,
                                             bool past_the_last, const StepRequest& request) {
  const DiscreteSpacing spacing{params.noise.num_train_timesteps, params.timestep_spacing,
                                params.steps_offset, past_the_last};
  const absl::StatusOr<std::vector<int>> timesteps = discrete_timesteps(solver, spacing, request);
  if (!timesteps.ok()) return timesteps.status();
  DiscreteSteps steps{{}, alpha_products(params.noise)};
  if (!(steps.products[timesteps->front()] > 0)) {
    return absl::InvalidArgumentError(concat(solver, ".beta_end is ", params.noise.beta_end,
                                             ", too large: no signal is left at timestep ",
                                             timesteps->front()));
  }
  steps.list.timesteps.assign(timesteps->begin(), timesteps->end());
  return steps;
}

}  // namespace tessera
