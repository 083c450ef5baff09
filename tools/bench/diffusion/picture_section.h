// Every policy against none on one model that makes pictures or videos: speed, what reuse promises,
// and how near the result stays. Main thread.
//
// Runs come in rounds of a few seeds. In a round every setting is measured next to a run without
// policy (A B A B), in turning order; a speed-up is the median over rounds of the ratio of the two,
// by the time that the daemon tells for all denoising steps. The same run without policy must give
// the same bits every time.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tools/bench/diffusion/picture_source.h"
#include "tools/bench/diffusion/reuse.h"
#include "tools/bench/quality/picture_quality.h"

namespace tessera {

inline constexpr double kQualityPsnrDb = 30, kQualitySsim = 0.93;

using Progress = std::function<void(const std::string& words)>;

struct PictureSectionOptions {
  std::string model;  // its name in the report
  std::vector<PolicySetting> settings;
  int steps = 50;
  int seeds = 64, screen_seeds = 8;  // multiples of the source's samples
  uint64_t first_seed = 1000;
};

// No policy, and so many fewer steps that it takes as long.
struct FewerSteps {
  int steps = 0;
  double speedup = 0;  // measured
  QualityMeans quality{};
};

struct SettingResult {
  PolicySetting setting;
  double speedup = 0, wall_speedup = 0;
  double baseline_seconds = 0, seconds = 0;  // medians of denoising, a request
  Reuse reuse{};
  QualityMeans quality{};
  FewerSteps fewer{};

  double fraction_of_predicted() const { return speedup / reuse.predicted_speedup; }
  bool within_quality() const {
    return quality.psnr_db() >= kQualityPsnrDb && quality.ssim() >= kQualitySsim;
  }
};

struct PictureSectionResult {
  std::string model, shares_source;
  int steps = 0, seeds = 0, samples = 0;
  double guidance = 0;                  // its scale
  std::vector<SettingResult> settings;  // published ones, and the fastest of the sweep
  std::vector<SettingResult> screened;  // the sweep, over the screen's seeds alone
  // Index into `settings` of the fastest one within the quality, if any.
  std::optional<size_t> fastest() const;
};

absl::StatusOr<PictureSectionResult> measure_pictures(const PictureSource& source,
                                                      const PictureSectionOptions& options,
                                                      const NetworkWork& work,
                                                      const StepShares& shares,
                                                      const Progress& progress);

}  // namespace tessera
