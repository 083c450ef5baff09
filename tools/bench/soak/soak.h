// The measurement itself: a daemon under mixed load, its memory watched all the time, its counters
// read at the end, and what is left of the load in it afterwards. Main thread.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/bench/daemon/daemon_process.h"
#include "tools/bench/soak/mixed_load.h"

namespace tessera {

struct SoakResult {
  MixedLoadCounts load;
  double seconds = 0;
  int64_t memory_plan_bytes = 0;
  int64_t held_at_start = 0, held_most = 0, held_at_end = 0;  // bytes, RssAnon + RssShmem
  double steps = 0, preemptions = 0;
  std::vector<std::pair<double, double>> step_ratios;  // cumulative histogram: time / prediction
  // After the load, when nothing runs any more: all of them must be zero.
  double running = 0, waiting = 0, kv_usage = 0;
};

absl::StatusOr<SoakResult> soak(const DaemonProcess& daemon, const MixedLoadShape& shape,
                                double seconds, void (*progress)(const std::string& words));

// The value below which `share` of the observations lie, interpolated within its bucket.
double quantile(const std::vector<std::pair<double, double>>& cumulative, double share);
// Share of the observations in [low, high]; both are bucket edges.
double share_between(const std::vector<std::pair<double, double>>& cumulative, double low,
                     double high);

}  // namespace tessera
