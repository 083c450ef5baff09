// Calibration of update schedules: runs observations on an engine, looks how alike the outputs of
// every residual branch are from step to step, and finds the steps at which each should compute.
// Caller's thread.
#pragma once

#include <span>
#include <string>

#include "engine/branch/bac_calibration.h"
#include "engine/branch/update_schedule.h"
#include "engine/diffusion/engine.h"

namespace tessera {

inline constexpr double kLateMax = 100;

struct CalibrationOptions {
  int64_t updates = 10;  // of each branch, before bubbling
  BranchMetric metric = BranchMetric::kCosine;
  SegmentValue value = SegmentValue::kToFirst;
  // All branches share one list, found over the sum of their likenesses: a branch that computes
  // then never sees stale inputs, and between updates nothing runs at all. Nothing is left to
  // bubble.
  bool together = false;
  double late = 0;  // how much more late steps count, see weigh_late_steps; at most kLateMax
  BubblingRule bubbling{};
  std::string made_by{};  // for the record
};

// Similarities and errors are means over the observations; the two streams of a joint attention
// count as one branch. All requests must agree in solver and steps. INVALID_ARGUMENT names what is
// wrong with them; errors of a run are passed on.
absl::StatusOr<UpdateSchedule> calibrate(DiffusionEngine& engine,
                                         std::span<const DiffusionRequest> observations,
                                         const CalibrationOptions& options);

}  // namespace tessera
