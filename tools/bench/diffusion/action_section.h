// Block-wise adaptive caching against none on a policy that acts in the push world: work and time
// of an action, and whether the puck still gets to its goal. Main thread.
//
// Every arm plays the same episodes: the same start states and, answer by answer, the same noise
// seeds. Beside the arm that is judged stand others of about its cost: no cache with fewer steps,
// and plain uniform reuse.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tools/bench/diffusion/picture_section.h"
#include "tools/bench/quality/paired_success.h"

namespace tessera {

struct ActionSectionOptions {
  std::string model;   // its name in the report
  std::string folder;  // schedules/*.json of it are BAC's
  int steps = 100;
  int episodes = 2000;
  int episodes_at_once = 32;
  int timed_pairs = 60;  // of single actions, one arm after the other
  uint64_t seed = 100;
};

// One way to make actions, against the baseline.
struct ActionArm {
  PolicySetting setting;
  int steps = 0;
  double operations_ratio = 1;  // of the baseline's action to this one's, by the count of its work
  double time_ratio = 1;        // likewise, of denoising as the daemon tells; median of pairs
  double wall_ratio = 1;        // likewise, from sending the observation to having the action
  double wall_seconds = 0;      // of an action, median
  double predicted_speedup = 1;
  PairedSuccess success{};
  // What `success` would be of the same episodes if they had to end sooner: by steps, fewer than
  // kPushStepsMax. Where it depends on these, being slower costs more than going wrong.
  std::map<int, PairedSuccess> success_within{};
};

struct ActionSectionResult {
  std::string model, shares_source;
  int steps = 0, episodes = 0;
  double baseline_wall_seconds = 0;  // of an action, median
  std::vector<ActionArm> arms;       // of BAC first, one for each schedule; then those beside it

  // The first schedule's, or nullptr when the folder has none.
  const ActionArm* bac() const {
    return arms.front().setting.policy == "bac" ? &arms.front() : nullptr;
  }
};

absl::StatusOr<ActionSectionResult> measure_actions(const std::string& address,
                                                    const ActionSectionOptions& options,
                                                    const NetworkWork& work,
                                                    const StepShares& shares,
                                                    const Progress& progress);

}  // namespace tessera
