// What continuous batching gives: many jobs at once against one after another, and a short job that
// arrives during a long one. Main thread.
#pragma once

#include <string>

#include "tools/bench/diffusion/picture_section.h"

namespace tessera {

struct BatchGain {
  int jobs = 0;
  double gain = 0;  // median over repeats of time one after another / time at once
  double one_by_one_seconds = 0, at_once_seconds = 0;  // of all jobs, medians
};

// Jobs of `action_steps` on the policy at `address`, each with an observation of its own.
absl::StatusOr<BatchGain> measure_action_batching(const std::string& address, int jobs, int steps,
                                                  int repeats);
absl::StatusOr<BatchGain> measure_picture_batching(const PictureSource& source, int jobs, int steps,
                                                   int repeats);

// A short job arrives while a long one is under way.
struct LateArrival {
  int long_steps = 0, short_steps = 0;
  // Steps that the long job ended between the short one's acceptance and the end of the short one's
  // first step, without the one they made together: at most 1 when it starts within one step. As
  // the client hears of them, so late events count too: the median, and the most of all repeats.
  double steps_before_start = 0;
  int steps_before_start_most = 0;
  double queue_in_steps = 0;  // the short one's time in the queue over a step of it alone, median
  double solo_seconds = 0, seconds = 0;  // of the short job, medians
  double slowdown = 0;                   // median over repeats of the two's ratio
};

absl::StatusOr<LateArrival> measure_late_arrival(const PictureSource& source, int long_steps,
                                                 int short_steps, int repeats);

}  // namespace tessera
