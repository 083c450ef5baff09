#include "engine/denoise/noise_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tessera {
namespace {

// Both halves count from their own end with one rounding each, as torch.linspace does in f32.
std::vector<float> linear_space(float first, float last, int64_t count) {
  std::vector<float> values(count, first);
  if (count == 1) return values;
  const float step = (last - first) / static_cast<float>(count - 1);
  for (int64_t at = 0; at < count; ++at) {
    values[at] = at < count / 2 ? std::fmaf(step, static_cast<float>(at), first)
                                : std::fmaf(-step, static_cast<float>(count - 1 - at), last);
  }
  return values;
}

double squared_cosine(double u) {
  const double cosine = std::cos((u + 0.008) / 1.008 * std::numbers::pi / 2);
  return cosine * cosine;
}

std::vector<float> betas_of(const NoiseScheduleParams& params) {
  const int64_t count = params.num_train_timesteps;
  switch (params.beta_schedule) {
    case BetaSchedule::kLinear:
      return linear_space(static_cast<float>(params.beta_start),
                          static_cast<float>(params.beta_end), count);
    case BetaSchedule::kScaledLinear: {
      std::vector<float> betas =
          linear_space(static_cast<float>(std::sqrt(params.beta_start)),
                       static_cast<float>(std::sqrt(params.beta_end)), count);
      for (float& beta : betas) beta *= beta;
      return betas;
    }
    case BetaSchedule::kSquaredCosine: {
      std::vector<float> betas(count);
      for (int64_t t = 0; t < count; ++t) {
        const double kept = squared_cosine((t + 1.0) / static_cast<double>(count)) /
                            squared_cosine(static_cast<double>(t) / static_cast<double>(count));
        betas[t] = static_cast<float>(std::min(1 - kept, 0.999));
      }
      return betas;
    }
  }
  return {};
}

}  // namespace

std::vector<float> alpha_products(const NoiseScheduleParams& params) {
  std::vector<float> products;
  double product = 1;
  for (float beta : betas_of(params)) {
    product *= 1.0f - beta;
    products.push_back(static_cast<float>(product));
  }
  return products;
}

}  // namespace tessera
