// Which jobs take their next denoising step together. Pure.
//
// A step's time is known beforehand: it is linear in rows and in rows x keys. Jobs take turns by
// the time they have been given (less goes first), better priorities before, so a large job cannot
// keep a small one waiting; whoever fits the rows and the time of the step comes along.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/schedule/cost_model.h"

namespace tessera {

struct JobView {
  int64_t key = 0;       // tells jobs apart
  int32_t priority = 0;  // higher goes first
  double slack_seconds =
      0;  // to the deadline, less the time its steps still take; huge without one
  double given_seconds = 0;  // predicted time of the steps it has had, from the level of the others
                             // when it came
  int64_t rows = 0, segments = 0;
  StepShape next_step;  // what its next step computes
};

struct ChooseLimits {
  int64_t rows_max = 0, segments_max = 0;
  double step_time_target_seconds = 0;  // 0 = none
  const CostModel* cost = nullptr;
};

// Indices of `jobs`, in the order they take part; not empty unless `jobs` is.
// REQUIRES: each job alone fits rows_max and segments_max.
std::vector<size_t> choose_jobs(const std::vector<JobView>& jobs, const ChooseLimits& limits);

}  // namespace tessera
