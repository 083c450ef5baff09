// The steps of one job: the timestep the model sees at each, and the noise level before and after.
// Made at admission from what the request asks for; a plain value. Pure; any thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace tessera {

inline constexpr int64_t kStepsMax = 1000;

// What a request says about its steps: a count, or a list that fixes it. A count and a list must
// agree. `image_tokens` is the number of tokens of one sample, for shifts that depend on it.
struct StepRequest {
  int64_t steps = 0;  // 0 = as the list
  std::vector<double> timesteps{};
  std::vector<double> sigmas{};
  int64_t image_tokens = 0;
};

// Step 0 is the noisiest. S = size().
struct StepList {
  std::vector<float> timesteps;  // [S] as the model sees them
  std::vector<float> sigmas;     // [S + 1], where the solver counts in them; else empty

  int size() const { return static_cast<int>(timesteps.size()); }
};

enum class Spacing : uint8_t { kLeading, kLinspace, kTrailing };

// How a solver on whole timesteps spreads S of them over T.
struct DiscreteSpacing {
  int64_t train_timesteps = 1000;
  Spacing spacing = Spacing::kLeading;
  int64_t steps_offset = 0;    // added to leading timesteps
  bool past_the_last = false;  // S + 1 points, of which the smallest is dropped (not for trailing)
};

// The count of steps that the request asks for, in [1, most]. INVALID_ARGUMENT names the field.
absl::StatusOr<int64_t> requested_steps(const StepRequest& request, int64_t most);

// S whole timesteps in [0, T), strictly descending; rounds half to even, as numpy. INVALID_ARGUMENT
// names the field and the bound; `solver` is for messages.
absl::StatusOr<std::vector<int>> discrete_timesteps(std::string_view solver,
                                                    const DiscreteSpacing& spacing,
                                                    const StepRequest& request);

}  // namespace tessera
