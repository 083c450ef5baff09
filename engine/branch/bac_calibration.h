// The offline mathematics of block-wise adaptive caching: from the outputs of every residual branch
// at every step of one run to the steps at which each should compute. Pure; any thread. K steps.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tessera {

// Distances count negated, so that more is always more alike.
enum class BranchMetric : uint8_t { kCosine, kMse, kL1, kL2 };

// [K][K]: how alike the outputs of a branch are at two steps. `outputs` is [K][n]. INVALID_ARGUMENT
// where they are not finite or no multiple of K.
absl::StatusOr<std::vector<double>> branch_similarity(std::span<const float> outputs, int steps,
                                                      BranchMetric metric);

// Counts the step that is served (the column) by ((step + 1) / K)^late of its distance from perfect
// likeness, so that an error weighs the more the later it is made: what early steps get wrong is
// denoised away, what the last ones get wrong is in the result. 0 leaves all as it is. REQUIRES:
// similarity [K][K], late at least 0.
void weigh_late_steps(std::span<double> similarity, int steps, double late, BranchMetric metric);

// Mean over all pairs of steps of the mean absolute difference: how much a branch suffers from
// reuse.
double branch_error(std::span<const float> outputs, int steps);

// What a segment of steps served by its first one is worth.
enum class SegmentValue : uint8_t {
  kToFirst,      // similarity of each step to the first, the first to itself included
  kConsecutive,  // similarity of each step to the one before, from the second on
};

// The `updates` steps to compute at, ascending, the first 0, that maximise the sum over the
// segments they begin; of equal choices the one whose last segments begin earliest. All steps where
// `updates` is K or more. REQUIRES: similarity [K][K], K and updates at least 1.
std::vector<int> choose_updates(std::span<const double> similarity, int steps, int updates,
                                SegmentValue value = SegmentValue::kToFirst);

// The sum that choose_updates maximises. REQUIRES: chosen ascending, the first 0.
double value_of_updates(std::span<const double> similarity, int steps,
                        const std::vector<int>& chosen, SegmentValue value);

// One branch with its steps, in execution order.
struct CalibratedUnit {
  std::string name;
  int layer = 0;
  bool mlp = false;
  double error = 0;          // branch_error
  std::vector<int> updates;  // ascending
};

struct BubblingRule {
  int count = 5;            // branches of largest error
  bool mlp_only = false;    // choose among MLPs only
  bool later_only = false;  // MLPs of later layers only, not the branch's own
};

// Errors of upstream caches surge in downstream MLPs: each of the `count` branches of largest error
// also computes whenever an MLP from its layer on does, by the schedules as they were given.
std::vector<CalibratedUnit> bubble_up(const std::vector<CalibratedUnit>& units,
                                      const BubblingRule& rule);

}  // namespace tessera
