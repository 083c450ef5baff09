#include "tools/bench/diffusion/picture_section.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "absl/strings/str_cat.h"
#include "tools/bench/quality/paired_success.h"

namespace tessera {
namespace {

// What the rounds gather of one setting.
struct Gathered {
  std::vector<double> ratios, wall_ratios, baseline_seconds, seconds;
  std::vector<std::string> trace;
  QualityMeans quality;
};

class PictureMeasurement {
 public:
  PictureMeasurement(const PictureSource& source, const PictureSectionOptions& options,
                     const NetworkWork& work, const StepShares& shares, const Progress& progress)
      : source_(source), options_(options), work_(work), shares_(shares), progress_(progress) {}

  absl::StatusOr<PictureSectionResult> run() {
    PictureSectionResult result;
    result.model = options_.model;
    result.shares_source = shares_.source;
    result.steps = options_.steps;
    result.seeds = options_.seeds;
    result.guidance = source_.guidance;
    result.samples = source_.samples;
    progress_(absl::StrCat(options_.model, ": ", options_.settings.size(), " settings over ",
                           options_.screen_seeds, " seeds"));
    auto screened = measure(options_.settings, options_.screen_seeds);
    if (!screened.ok()) return screened.status();
    result.screened = *std::move(screened);
    std::vector<PolicySetting> chosen;
    for (const SettingResult& one : result.screened) {
      if (one.setting.published) chosen.push_back(one.setting);
    }
    for (const PolicySetting& setting : fastest_of(result.screened)) chosen.push_back(setting);
    progress_(absl::StrCat(options_.model, ": ", chosen.size(), " settings over ", options_.seeds,
                           " seeds"));
    auto settings = measure(chosen, options_.seeds);
    if (!settings.ok()) return settings.status();
    result.settings = *std::move(settings);
    progress_(absl::StrCat(options_.model, ": fewer steps at equal time"));
    if (absl::Status status = measure_fewer_steps(result.settings); !status.ok()) return status;
    return result;
  }

 private:
  // The fastest setting of every policy that stayed within the quality; none that is published.
  static std::vector<PolicySetting> fastest_of(const std::vector<SettingResult>& screened) {
    std::map<std::string, const SettingResult*> best;
    for (const SettingResult& one : screened) {
      if (!one.within_quality()) continue;
      const SettingResult*& known = best[one.setting.policy];
      if (known == nullptr || one.speedup > known->speedup) known = &one;
    }
    std::vector<PolicySetting> settings;
    for (const auto& [policy, one] : best) {
      if (!one->setting.published) settings.push_back(one->setting);
    }
    return settings;
  }

  uint64_t seed_of(int round) const {
    return options_.first_seed + static_cast<uint64_t>(round) * source_.samples;
  }

  // The run of a round without policy; remembers its pictures and expects the same ever after.
  absl::StatusOr<DenoiseRun> baseline(int round) {
    auto run = ask_for(source_, {seed_of(round), options_.steps, {}});
    if (!run.ok()) return run.status();
    auto& known = wanted_[round];
    if (known.empty()) known = run->samples;
    if (known != run->samples) {
      return absl::InternalError(
          absl::StrCat(options_.model, ": the same request gave other pictures the second time"));
    }
    return run;
  }

  absl::Status judge(const DenoiseRun& run, int round, QualityMeans& quality) const {
    const auto& wanted = wanted_.at(round);
    if (run.samples.size() != wanted.size() || run.shape.size() < 3 ||
        run.samples.front().size() != wanted.front().size()) {
      return absl::InternalError(absl::StrCat(options_.model, ": no pictures to compare"));
    }
    for (size_t sample = 0; sample < wanted.size(); ++sample) {
      quality.add(compare_pictures(run.samples[sample], wanted[sample], run.shape));
    }
    return absl::OkStatus();
  }

  absl::Status measure_once(const PolicySetting& setting, int round, Gathered& gathered) {
    const auto none = baseline(round);
    if (!none.ok()) return none.status();
    const auto run = ask_for(source_, {seed_of(round), options_.steps, setting});
    if (!run.ok()) {
      return absl::Status(run.status().code(),
                          absl::StrCat(setting.text(), ": ", run.status().message()));
    }
    gathered.ratios.push_back(none->denoise_seconds / run->denoise_seconds);
    gathered.wall_ratios.push_back(none->wall_seconds / run->wall_seconds);
    gathered.baseline_seconds.push_back(none->denoise_seconds);
    gathered.seconds.push_back(run->denoise_seconds);
    gathered.trace.insert(gathered.trace.end(), run->trace.begin(), run->trace.end());
    return judge(*run, round, gathered.quality);
  }

  absl::StatusOr<std::vector<SettingResult>> measure(const std::vector<PolicySetting>& settings,
                                                     int seeds) {
    std::vector<Gathered> gathered(settings.size());
    for (int round = 0; round < seeds / source_.samples; ++round) {
      for (size_t turn = 0; turn < settings.size(); ++turn) {
        const size_t index = round % 2 == 0 ? turn : settings.size() - 1 - turn;
        absl::Status measured = measure_once(settings[index], round, gathered[index]);
        if (!measured.ok()) return measured;
      }
    }
    std::vector<SettingResult> results;
    for (size_t index = 0; index < settings.size(); ++index) {
      const Gathered& of = gathered[index];
      const auto reuse = reuse_of(of.trace, work_, shares_);
      if (!reuse.ok()) return reuse.status();
      results.push_back({settings[index],
                         median_of(of.ratios),
                         median_of(of.wall_ratios),
                         median_of(of.baseline_seconds),
                         median_of(of.seconds),
                         *reuse,
                         of.quality,
                         {}});
    }
    return results;
  }

  absl::Status measure_fewer_steps(std::vector<SettingResult>& results) {
    std::map<int, Gathered> by_steps;
    for (SettingResult& result : results) {
      result.fewer.steps = std::clamp(
          static_cast<int>(std::lround(options_.steps / result.speedup)), 1, options_.steps);
      by_steps[result.fewer.steps];
    }
    for (int round = 0; round < options_.seeds / source_.samples; ++round) {
      const auto none = baseline(round);
      if (!none.ok()) return none.status();
      for (auto& [steps, gathered] : by_steps) {
        const auto run = ask_for(source_, {seed_of(round), steps, {}});
        if (!run.ok()) return run.status();
        gathered.ratios.push_back(none->denoise_seconds / run->denoise_seconds);
        absl::Status judged = judge(*run, round, gathered.quality);
        if (!judged.ok()) return judged;
      }
    }
    for (SettingResult& result : results) {
      const Gathered& gathered = by_steps.at(result.fewer.steps);
      result.fewer.speedup = median_of(gathered.ratios);
      result.fewer.quality = gathered.quality;
    }
    return absl::OkStatus();
  }

  const PictureSource& source_;
  const PictureSectionOptions& options_;
  const NetworkWork& work_;
  const StepShares& shares_;
  const Progress& progress_;
  std::map<int, std::vector<std::vector<float>>> wanted_;  // pictures without policy, by round
};

}  // namespace

std::optional<size_t> PictureSectionResult::fastest() const {
  std::optional<size_t> best;
  for (size_t index = 0; index < settings.size(); ++index) {
    if (!settings[index].within_quality()) continue;
    if (!best.has_value() || settings[index].speedup > settings[*best].speedup) best = index;
  }
  return best;
}

absl::StatusOr<PictureSectionResult> measure_pictures(const PictureSource& source,
                                                      const PictureSectionOptions& options,
                                                      const NetworkWork& work,
                                                      const StepShares& shares,
                                                      const Progress& progress) {
  return PictureMeasurement(source, options, work, shares, progress).run();
}

}  // namespace tessera
