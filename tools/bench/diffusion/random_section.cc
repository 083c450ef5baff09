#include "tools/bench/diffusion/random_section.h"

#include "absl/strings/str_cat.h"
#include "tools/bench/quality/paired_success.h"

namespace tessera {

absl::StatusOr<std::vector<SpeedResult>> measure_speed(
    const PictureSource& source, int steps, int repeats, const std::vector<PolicySetting>& settings,
    const NetworkWork& work, const StepShares& shares, const Progress& progress) {
  std::vector<SpeedResult> results;
  for (const PolicySetting& setting : settings) {
    progress(absl::StrCat(setting.text(), ", ", repeats, " times"));
    std::vector<double> ratios, baseline, seconds;
    SpeedResult result{setting, 0, 0, 0, {}};
    for (int repeat = 0; repeat < repeats; ++repeat) {
      const auto seed = static_cast<uint64_t>(repeat) * source.samples;
      const auto none = ask_for(source, {seed, steps, {}});
      if (!none.ok()) return none.status();
      const auto run = ask_for(source, {seed, steps, setting});
      if (!run.ok()) return run.status();
      ratios.push_back(none->denoise_seconds / run->denoise_seconds);
      baseline.push_back(none->denoise_seconds);
      seconds.push_back(run->denoise_seconds);
      const auto reuse = reuse_of(run->trace, work, shares);
      if (!reuse.ok()) return reuse.status();
      result.reuse = *reuse;
    }
    result.speedup = median_of(ratios);
    result.baseline_seconds = median_of(baseline);
    result.seconds = median_of(seconds);
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace tessera
