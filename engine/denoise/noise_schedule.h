// How much signal is left at each training timestep of a variance-preserving process: x_t =
// sqrt(a_t) x_0 + sqrt(1 - a_t) noise. Pure; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/registry/params.h"

namespace tessera {

enum class BetaSchedule : uint8_t { kLinear, kScaledLinear, kSquaredCosine };

// What a model was trained with; the names are those of scheduler_config.json.
struct NoiseScheduleParams {
  int64_t num_train_timesteps = 1000;
  double beta_start = 1e-4;
  double beta_end = 0.02;
  BetaSchedule beta_schedule = BetaSchedule::kLinear;

  template <class V>
  void visit(V& v) {
    v("num_train_timesteps", num_train_timesteps, between(1, 100000), "T, timesteps of training");
    // Below 1e-7 a beta vanishes against 1 in f32.
    v("beta_start", beta_start, between(1e-7, 0.999), "noise added at the first timestep");
    v("beta_end", beta_end, between(1e-7, 0.999), "noise added at the last timestep");
    v("beta_schedule", beta_schedule, OneOf{{"linear", "scaled_linear", "squaredcos_cap_v2"}},
      "how the betas lie between the two");
  }
};

// a_t for t = 0..T-1: betas in f32, their product in double, each entry rounded to f32, as PyTorch
// computes it. The last may be 0 where the betas leave no signal.
std::vector<float> alpha_products(const NoiseScheduleParams& params);

}  // namespace tessera
