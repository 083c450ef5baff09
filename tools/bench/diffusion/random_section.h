// Policies against none at the size of published networks, with random weights: speed and what
// reuse promises; nobody judges the output. Main thread.
#pragma once

#include <string>
#include <vector>

#include "tools/bench/diffusion/picture_section.h"

namespace tessera {

struct SpeedResult {
  PolicySetting setting;
  double speedup = 0;
  double baseline_seconds = 0, seconds = 0;  // of denoising, medians
  Reuse reuse{};

  double fraction_of_predicted() const { return speedup / reuse.predicted_speedup; }
};

struct RandomSectionResult {
  std::string shape, size, shares_source;  // size in words: rows of a step and of what
  int layers = 0, steps = 0;
  std::vector<SpeedResult> settings;
};

// Each setting next to a run without policy, `repeats` times; speed-ups are medians of the ratios.
absl::StatusOr<std::vector<SpeedResult>> measure_speed(
    const PictureSource& source, int steps, int repeats, const std::vector<PolicySetting>& settings,
    const NetworkWork& work, const StepShares& shares, const Progress& progress);

}  // namespace tessera
