// Euler steps along the straight paths of flow matching (Lipman et al., 2022; Esser et al., 2024):
// x_s = (1 - s) clean + s noise, the network answers the velocity noise - clean. Sigmas are shifted
// to the noisy end, by a fixed factor or by one that grows with the number of tokens.
#include "engine/denoise/solvers/flow_euler.h"

#include <cmath>

#include "engine/weights/message.h"

namespace tessera {
namespace {

double shifted(double shift, double sigma) { return shift * sigma / (1 + (shift - 1) * sigma); }

// The exponent of the dynamic shift is linear in the number of tokens.
double dynamic_shift(const FlowEulerParams& params, int64_t tokens) {
  const auto base = static_cast<double>(params.base_image_seq_len);
  const double slope = (params.max_shift - params.base_shift) /
                       (static_cast<double>(params.max_image_seq_len) - base);
  return params.base_shift + slope * (static_cast<double>(tokens) - base);
}

absl::StatusOr<double> shift_of(const FlowEulerParams& params, const StepRequest& request) {
  if (!params.use_dynamic_shifting) return params.shift;
  if (params.max_image_seq_len == params.base_image_seq_len) {
    return absl::InvalidArgumentError(concat("flow_euler.max_image_seq_len is ",
                                             params.max_image_seq_len,
                                             ", must differ from base_image_seq_len"));
  }
  const double exponent = dynamic_shift(params, request.image_tokens);
  const double factor =
      params.time_shift_type == TimeShift::kExponential ? std::exp(exponent) : exponent;
  if (!(factor >= 1e-6 && factor <= 1e6)) {
    return absl::InvalidArgumentError(concat("flow_euler: ", request.image_tokens,
                                             " tokens give a shift of ", factor,
                                             ", must be in [1e-06, 1e+06]"));
  }
  return factor;
}

// From the largest to the smallest sigma of training. A fixed shift has moved these two already and
// moves all of them again: a habit of diffusers that published results rest on.
std::vector<double> default_sigmas(const FlowEulerParams& params, int64_t steps) {
  double smallest = 1 / static_cast<double>(params.num_train_timesteps);
  if (!params.use_dynamic_shifting) smallest = shifted(params.shift, smallest);
  std::vector<double> sigmas;
  for (int64_t at = 0; at < steps; ++at) {
    const double share = steps > 1 ? static_cast<double>(at) / static_cast<double>(steps - 1) : 0;
    sigmas.push_back(1 + share * (smallest - 1));
  }
  return sigmas;
}

}  // namespace

SchedulerClass FlowEuler::scheduler_class() {
  return {"FlowMatchEulerDiscreteScheduler",
          Process::kFlow,
          {{"use_karras_sigmas", false},
           {"use_exponential_sigmas", false},
           {"use_beta_sigmas", false},
           {"invert_sigmas", false},
           {"shift_terminal", nullptr},
           {"stochastic_sampling", false}}};
}

absl::StatusOr<std::unique_ptr<Solver>> FlowEuler::make(const FlowEulerParams& params,
                                                        const StepRequest& request) {
  if (!request.timesteps.empty()) {
    return absl::InvalidArgumentError("timesteps are not taken by solver flow_euler; give sigmas");
  }
  const absl::StatusOr<int64_t> count = requested_steps(request, params.num_train_timesteps);
  if (!count.ok()) return count.status();
  const absl::StatusOr<double> shift = shift_of(params, request);
  if (!shift.ok()) return shift.status();
  const std::vector<double> given =
      request.sigmas.empty() ? default_sigmas(params, *count) : request.sigmas;
  StepList steps;
  for (size_t at = 0; at < given.size(); ++at) {
    if (!(given[at] >= 1e-6 && given[at] <= 1)) {
      return absl::InvalidArgumentError(
          concat("sigmas[", at, "] is ", given[at], ", must be in [1e-06, 1]"));
    }
    const auto sigma = static_cast<float>(shifted(*shift, given[at]));
    if (at > 0 && !(sigma < steps.sigmas.back())) {
      return absl::InvalidArgumentError(concat("sigmas[", at, "] is ", given[at],
                                               ", must be below the one before, ", given[at - 1]));
    }
    steps.sigmas.push_back(sigma);
    steps.timesteps.push_back(sigma * static_cast<float>(params.num_train_timesteps));
  }
  steps.sigmas.push_back(0);
  return std::unique_ptr<Solver>(new FlowEuler(std::move(steps)));
}

std::vector<Combination> FlowEuler::step(int index) const {
  const double change = double{steps_.sigmas[index + 1]} - double{steps_.sigmas[index]};
  return {affine(Operand::kLatents, {{Operand::kLatents, 1}, {Operand::kOutput, change}})};
}

Combination FlowEuler::denoised(int index) const {
  return affine(Operand::kDenoised,
                {{Operand::kLatents, 1}, {Operand::kOutput, -double{steps_.sigmas[index]}}});
}

}  // namespace tessera
