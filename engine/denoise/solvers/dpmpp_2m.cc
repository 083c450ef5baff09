// DPM-Solver++(2M) (Lu, Zhou, Bao, Chen, Li, Zhu, 2022). Solves the probability-flow ODE in
// lambda = ln(alpha / sigma) for the predicted clean latents m, extrapolated linearly (midpoint)
// from this step's m and the one before. The two live in histories of even and odd steps, so
// nothing is ever moved.
#include "engine/denoise/solvers/dpmpp_2m.h"

#include <cmath>
#include <limits>

namespace tessera {
namespace {

// lower_order_final concerns step counts below this.
constexpr int kFewSteps = 15;

Operand history(int index) { return index % 2 == 0 ? Operand::kHistory0 : Operand::kHistory1; }

}  // namespace

SchedulerClass DpmPp2m::scheduler_class() {
  std::vector<FixedKey> fixed = unsupported_everywhere();
  for (const char* key : {"use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas",
                          "use_lu_lambdas", "use_flow_sigmas", "use_dynamic_shifting"}) {
    fixed.push_back({key, false});
  }
  fixed.push_back({"algorithm_type", "dpmsolver++"});
  fixed.push_back({"solver_type", "midpoint"});
  fixed.push_back({"lambda_min_clipped", kMinusInfinity});
  fixed.push_back({"variance_type", nullptr});
  return {"DPMSolverMultistepScheduler", Process::kVariancePreserving, fixed};
}

absl::StatusOr<std::unique_ptr<Solver>> DpmPp2m::make(const DpmPp2mParams& params,
                                                      const StepRequest& request) {
  absl::StatusOr<DiscreteSteps> steps = discrete_steps("dpmpp_2m", params.discrete, true, request);
  if (!steps.ok()) return steps.status();
  for (float t : steps->list.timesteps) {
    const double product = steps->products[static_cast<int>(t)];
    steps->list.sigmas.push_back(static_cast<float>(std::sqrt((1 - product) / product)));
  }
  const double first = steps->products[0];
  steps->list.sigmas.push_back(params.final_sigmas_type == FinalSigma::kZero
                                   ? 0
                                   : static_cast<float>(std::sqrt((1 - first) / first)));
  if (steps->list.sigmas.back() == steps->list.sigmas[steps->list.size() - 1]) {
    return absl::InvalidArgumentError(
        "timesteps end at 0, where sigmas end too with final_sigmas_type sigma_min");
  }
  return std::unique_ptr<Solver>(new DpmPp2m(params, *std::move(steps)));
}

DpmPp2m::Level DpmPp2m::level(int index) const {
  const double ratio = steps_.list.sigmas[index];
  if (ratio == 0) return {1, 0, std::numeric_limits<double>::infinity()};
  const double alpha = 1 / std::sqrt(1 + ratio * ratio);
  return {alpha, ratio * alpha, -std::log(ratio)};
}

bool DpmPp2m::second_order(int index) const {
  if (params_.solver_order < 2 || index == 0) return false;
  if (index + 1 < steps_.list.size()) return true;
  return !params_.euler_at_final && params_.final_sigmas_type != FinalSigma::kZero &&
         !(params_.lower_order_final && steps_.list.size() < kFewSteps);
}

Conversion DpmPp2m::conversion(int index) const {
  const Level now = level(index);
  return conversion_of(params_.discrete.prediction_type, now.alpha, now.sigma);
}

std::vector<Combination> DpmPp2m::step(int index) const {
  const Level now = level(index), after = level(index + 1);
  const double h = after.lambda - now.lambda;
  const double latents = after.sigma / now.sigma;
  const double clean = -after.alpha * std::expm1(-h);
  const Conversion from = conversion(index);
  const bool kept = index + 1 < steps_.list.size() && second_order(index + 1);
  if (!kept && !second_order(index)) {
    return {affine(Operand::kLatents, {{Operand::kLatents, latents + clean * from.clean_x},
                                       {Operand::kOutput, clean * from.clean_e}})};
  }
  Combination predicted = denoised(index);
  predicted.out = history(index);
  double before = 0;
  if (second_order(index)) before = 0.5 * clean * h / (now.lambda - level(index - 1).lambda);
  return {predicted, affine(Operand::kLatents, {{Operand::kLatents, latents},
                                                {history(index), clean + before},
                                                {history(index + 1), -before}})};
}

Combination DpmPp2m::denoised(int index) const {
  const Conversion from = conversion(index);
  return affine(Operand::kDenoised,
                {{Operand::kLatents, from.clean_x}, {Operand::kOutput, from.clean_e}});
}

}  // namespace tessera
