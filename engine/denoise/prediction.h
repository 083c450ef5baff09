// What a network of a variance-preserving process predicts, and the parameters that its solvers
// share. The names are those of scheduler_config.json. Pure; any thread.
#pragma once

#include "engine/denoise/noise_schedule.h"
#include "engine/denoise/step_list.h"

namespace tessera {

enum class Prediction : uint8_t { kEpsilon, kSample, kVelocity };

// Clean latents and noise as combinations of latents x and answer e.
struct Conversion {
  double clean_x, clean_e;
  double noise_x, noise_e;
};

// At x = alpha * clean + sigma * noise, alpha^2 + sigma^2 = 1, both positive.
inline Conversion conversion_of(Prediction prediction, double alpha, double sigma) {
  switch (prediction) {
    case Prediction::kEpsilon:
      return {1 / alpha, -sigma / alpha, 0, 1};
    case Prediction::kSample:
      return {0, 1, 1 / sigma, -alpha / sigma};
    case Prediction::kVelocity:
      return {alpha, -sigma, sigma, alpha};
  }
  return {};
}

struct DiscreteParams {
  NoiseScheduleParams noise;
  Prediction prediction_type = Prediction::kEpsilon;
  Spacing timestep_spacing = Spacing::kLeading;
  int64_t steps_offset = 0;

  template <class V>
  void visit(V& v) {
    noise.visit(v);
    v("prediction_type", prediction_type, OneOf{{"epsilon", "sample", "v_prediction"}},
      "what the network answers");
    v("timestep_spacing", timestep_spacing, OneOf{{"leading", "linspace", "trailing"}},
      "how the steps spread over the training timesteps");
    v("steps_offset", steps_offset, between(0, 1000), "added to leading timesteps");
  }
};

// Clamping of the predicted clean latents.
struct ClipParams {
  bool clip_sample = true;
  double clip_sample_range = 1;

  template <class V>
  void visit(V& v) {
    v("clip_sample", clip_sample, "clamp the predicted clean latents");
    v("clip_sample_range", clip_sample_range, between(1e-3, 1e6), "to plus and minus this");
  }
  double range() const { return clip_sample ? clip_sample_range : 0; }
};

// The steps of a solver on whole timesteps, with the signal left at each.
struct DiscreteSteps {
  StepList list;
  std::vector<float> products;  // [T] a_t
};

// INVALID_ARGUMENT names the field and the bound.
absl::StatusOr<DiscreteSteps> discrete_steps(std::string_view solver, const DiscreteParams& params,
                                             bool past_the_last, const StepRequest& request);

}  // namespace tessera
