#include "engine/denoise/step_list.h"

#include <algorithm>
#include <cmath>

#include "engine/weights/message.h"

namespace tessera {
namespace {

absl::StatusOr<std::vector<int>> explicit_timesteps(const std::vector<double>& given,
                                                    int64_t train_timesteps) {
  std::vector<int> timesteps;
  for (size_t at = 0; at < given.size(); ++at) {
    const double t = given[at];
    if (!(t >= 0 && t < static_cast<double>(train_timesteps)) || t != std::floor(t)) {
      return absl::InvalidArgumentError(concat("timesteps[", at, "] is ", t,
                                               ", must be a whole number in [0, ",
                                               train_timesteps - 1, "]"));
    }
    timesteps.push_back(static_cast<int>(t));
  }
  return timesteps;
}

// Counted as numpy.linspace and numpy.arange count, so that halves fall on the same side.
std::vector<int> spread(const DiscreteSpacing& spacing, int64_t steps) {
  const int64_t total = spacing.train_timesteps;
  std::vector<int> timesteps(steps);
  if (spacing.spacing == Spacing::kTrailing) {
    const double start = static_cast<double>(total);
    const double delta = (start - start / static_cast<double>(steps)) - start;
    for (int64_t at = 0; at < steps; ++at) {
      timesteps[at] = static_cast<int>(std::nearbyint(start + static_cast<double>(at) * delta)) - 1;
    }
    return timesteps;
  }
  const int64_t points = steps + (spacing.past_the_last ? 1 : 0);
  const double step =
      points > 1 ? static_cast<double>(total - 1) / static_cast<double>(points - 1) : 0;
  for (int64_t at = 0; at < steps; ++at) {
    const int64_t point = points - 1 - at;
    if (spacing.spacing == Spacing::kLeading) {
      timesteps[at] = static_cast<int>(point * (total / points) + spacing.steps_offset);
    } else {
      timesteps[at] = point > 0 && point == points - 1
                          ? static_cast<int>(total - 1)
                          : static_cast<int>(std::nearbyint(static_cast<double>(point) * step));
    }
  }
  return timesteps;
}

}  // namespace

absl::StatusOr<int64_t> requested_steps(const StepRequest& request, int64_t most) {
  if (!request.timesteps.empty() && !request.sigmas.empty()) {
    return absl::InvalidArgumentError("timesteps and sigmas are both given; give one of them");
  }
  const auto listed =
      static_cast<int64_t>(std::max(request.timesteps.size(), request.sigmas.size()));
  const int64_t steps = request.steps == 0 ? listed : request.steps;
  if (listed != 0 && listed != steps) {
    return absl::InvalidArgumentError(concat("steps is ", steps, ", but ",
                                             request.sigmas.empty() ? "timesteps" : "sigmas",
                                             " has ", listed, " entries"));
  }
  most = std::min(most, kStepsMax);
  if (steps < 1 || steps > most) {
    return absl::InvalidArgumentError(concat("steps is ", steps, ", must be in [1, ", most, "]"));
  }
  return steps;
}

absl::StatusOr<std::vector<int>> discrete_timesteps(std::string_view solver,
                                                    const DiscreteSpacing& spacing,
                                                    const StepRequest& request) {
  if (!request.sigmas.empty()) {
    return absl::InvalidArgumentError(
        concat("sigmas are not taken by solver ", solver, "; give timesteps"));
  }
  const absl::StatusOr<int64_t> steps = requested_steps(request, spacing.train_timesteps);
  if (!steps.ok()) return steps.status();
  const bool listed = !request.timesteps.empty();
  absl::StatusOr<std::vector<int>> timesteps =
      listed ? explicit_timesteps(request.timesteps, spacing.train_timesteps)
             : spread(spacing, *steps);
  if (!timesteps.ok()) return timesteps.status();
  if (timesteps->front() >= spacing.train_timesteps) {
    return absl::InvalidArgumentError(concat("steps is ", *steps, ", too many for solver ", solver,
                                             ": with steps_offset ", spacing.steps_offset,
                                             " the first timestep would be ", timesteps->front(),
                                             " of ", spacing.train_timesteps));
  }
  for (size_t at = 1; at < timesteps->size(); ++at) {
    if ((*timesteps)[at] < (*timesteps)[at - 1]) continue;
    return absl::InvalidArgumentError(listed ? concat("timesteps[", at, "] is ", (*timesteps)[at],
                                                      ", must be below the one before, ",
                                                      (*timesteps)[at - 1])
                                             : concat("steps is ", *steps, ", too many for solver ",
                                                      solver, ": its timesteps would repeat"));
  }
  return timesteps;
}

}  // namespace tessera
