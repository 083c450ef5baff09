#include "tools/bench/diffusion/action_section.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tools/bench/diffusion/at_once.h"
#include "tools/sim/push_episode.h"

namespace tessera {
namespace {

constexpr uint64_t kSeedsOfEpisode = 1000;  // above the answers of any episode
constexpr int kSoonerLimits[] = {64, 72, 80};
static_assert(kSoonerLimits[2] < kPushStepsMax);

std::vector<PolicySetting> schedules_of(const std::string& folder) {
  std::vector<PolicySetting> settings;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/schedules", error)) {
    if (entry.path().extension() != ".json") continue;
    settings.push_back({"bac", {{"schedule", entry.path().stem()}}, true});
  }
  std::sort(settings.begin(), settings.end(),
            [](const PolicySetting& a, const PolicySetting& b) { return a.text() < b.text(); });
  return settings;
}

class ActionMeasurement {
 public:
  ActionMeasurement(const std::string& address, const ActionSectionOptions& options,
                    const NetworkWork& work, const StepShares& shares, const Progress& progress)
      : address_(address), options_(options), work_(work), shares_(shares), progress_(progress) {}

  absl::StatusOr<ActionSectionResult> run() {
    ActionSectionResult result;
    result.model = options_.model;
    result.shares_source = shares_.source;
    result.steps = options_.steps;
    result.episodes = options_.episodes;
    for (PolicySetting& setting : schedules_of(options_.folder)) {
      result.arms.push_back({std::move(setting), options_.steps});
    }
    if (result.arms.empty()) {
      progress_(options_.folder + "/schedules has no schedule: without BAC");
    }
    std::vector<double> baseline;
    for (ActionArm& arm : result.arms) {
      if (absl::Status timed = time_arm(arm, baseline); !timed.ok()) return timed;
    }
    const ActionArm judged = result.arms.empty() ? ActionArm{} : result.arms.front();
    for (ActionArm& arm : beside(judged)) {
      if (absl::Status timed = time_arm(arm, baseline); !timed.ok()) return timed;
      result.arms.push_back(std::move(arm));
    }
    result.baseline_wall_seconds = median_of(baseline);
    if (absl::Status played = play(result.arms); !played.ok()) return played;
    return result;
  }

 private:
  // About as dear as `judged`: fewer steps at equal time, uniform reuse of no more work.
  std::vector<ActionArm> beside(const ActionArm& judged) const {
    const int steps =
        std::max(1, static_cast<int>(std::lround(options_.steps / judged.wall_ratio)));
    const auto interval = std::max<int64_t>(2, std::lround(std::ceil(judged.operations_ratio)));
    return {{{}, steps},
            {{"uniform_reuse", {{"interval", absl::StrCat(interval)}}}, options_.steps}};
  }

  absl::StatusOr<DenoiseRun> act(const PushEpisode& episode, uint64_t seed, int steps,
                                 const PolicySetting& setting, bool trace) const {
    v1::PredictActionRequest request;
    v1::Tensor& seen = *request.mutable_observations();
    seen.add_shape(static_cast<int64_t>(episode.observations().size()) / kPushObservationSize);
    seen.add_shape(kPushObservationSize);
    seen.mutable_values()->Add(episode.observations().begin(), episode.observations().end());
    request.mutable_denoising()->set_steps(steps);
    request.mutable_denoising()->set_seed(seed);
    request.set_trace(trace);
    setting.add_to(*request.mutable_policies());
    auto run = run_denoise(address_, request);
    if (!run.ok()) {
      return absl::Status(run.status().code(),
                          absl::StrCat(setting.text(), ": ", run.status().message()));
    }
    constexpr size_t kNumbers = size_t{PushProtocol{}.action_steps} * kPushActionSize;
    if (run->samples.size() != 1 || run->samples.front().size() != kNumbers) {
      return absl::FailedPreconditionError(
          absl::StrCat("an episode wants answers of ", PushProtocol{}.action_steps, " actions of ",
                       kPushActionSize, " numbers; the daemon's differ"));
    }
    return run;
  }

  absl::Status time_arm(ActionArm& arm, std::vector<double>& baseline) const {
    progress_(
        absl::StrCat(options_.model, ": timing ", arm.setting.text(), ", ", arm.steps, " steps"));
    std::vector<double> ratios, wall_ratios, seconds;
    for (int pair = 0; pair < options_.timed_pairs; ++pair) {
      const PushEpisode episode(PushWorld::start(options_.seed, pair));
      const auto none = act(episode, pair, options_.steps, {}, false);
      if (!none.ok()) return none.status();
      const auto run = act(episode, pair, arm.steps, arm.setting, false);
      if (!run.ok()) return run.status();
      ratios.push_back(none->denoise_seconds / run->denoise_seconds);
      wall_ratios.push_back(none->wall_seconds / run->wall_seconds);
      seconds.push_back(run->wall_seconds);
      baseline.push_back(none->wall_seconds);
    }
    arm.time_ratio = median_of(ratios);
    arm.wall_ratio = median_of(wall_ratios);
    arm.wall_seconds = median_of(seconds);
    const PushEpisode episode(PushWorld::start(options_.seed, 0));
    const auto traced = act(episode, 0, arm.steps, arm.setting, true);
    if (!traced.ok()) return traced.status();
    const auto reuse = reuse_of(traced->trace, work_, shares_);
    if (!reuse.ok()) return reuse.status();
    const double fewer = static_cast<double>(options_.steps) / arm.steps;
    arm.operations_ratio = fewer * reuse->operations_ratio;
    arm.predicted_speedup = fewer * reuse->predicted_speedup;
    return absl::OkStatus();
  }

  // The step at which it succeeds, 0 if it does not.
  absl::StatusOr<int> finish(int number, int steps, const PolicySetting& setting) const {
    PushEpisode episode(PushWorld::start(options_.seed, number));
    while (!episode.ended()) {
      const uint64_t seed = (options_.seed + number) * kSeedsOfEpisode + episode.answers();
      const auto run = act(episode, seed, steps, setting, false);
      if (!run.ok()) return run.status();
      episode.act(run->samples.front());
    }
    return episode.finished_step();
  }

  // Arms of one episode run next to each other, so that what else happens meets all of them.
  absl::Status play(std::vector<ActionArm>& arms) const {
    const int ways = static_cast<int>(arms.size()) + 1;
    std::vector<int> finished(static_cast<size_t>(options_.episodes) * ways);
    std::atomic<int> ended{0};
    const absl::Status played = run_at_once(
        options_.episodes * ways, options_.episodes_at_once, [&](int task) -> absl::Status {
          const int way = task % ways;
          const auto step = way == 0
                                ? finish(task / ways, options_.steps, {})
                                : finish(task / ways, arms[way - 1].steps, arms[way - 1].setting);
          if (!step.ok()) return step.status();
          finished[task] = *step;
          const int done = ++ended;
          if (done % (100 * ways) == 0) {
            progress_(absl::StrCat(options_.model, ": ", done / ways, " episodes"));
          }
          return absl::OkStatus();
        });
    if (!played.ok()) return played;
    for (int episode = 0; episode < options_.episodes; ++episode) {
      for (int way = 1; way < ways; ++way) {
        add_pair(arms[way - 1], finished[episode * ways], finished[episode * ways + way]);
      }
    }
    return absl::OkStatus();
  }

  static void add_pair(ActionArm& arm, int baseline, int other) {
    arm.success.add(baseline > 0, other > 0);
    for (const int limit : kSoonerLimits) {
      arm.success_within[limit].add(baseline > 0 && baseline <= limit, other > 0 && other <= limit);
    }
  }

  const std::string& address_;
  const ActionSectionOptions& options_;
  const NetworkWork& work_;
  const StepShares& shares_;
  const Progress& progress_;
};

}  // namespace

absl::StatusOr<ActionSectionResult> measure_actions(const std::string& address,
                                                    const ActionSectionOptions& options,
                                                    const NetworkWork& work,
                                                    const StepShares& shares,
                                                    const Progress& progress) {
  return ActionMeasurement(address, options, work, shares, progress).run();
}

}  // namespace tessera
