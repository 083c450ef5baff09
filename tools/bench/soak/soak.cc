#include "tools/bench/soak/soak.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "tools/bench/daemon/daemon_metrics.h"
#include "tools/bench/soak/process_memory.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kWatchPeriod = std::chrono::milliseconds(250);
constexpr auto kProgressPeriod = std::chrono::minutes(1);
constexpr auto kSettle = std::chrono::seconds(60);  // a step of a large model may take seconds

double seconds_since(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

void watch_memory(const DaemonProcess& daemon, double seconds, SoakResult& result,
                  void (*progress)(const std::string& words)) {
  const Clock::time_point begun = Clock::now();
  Clock::time_point told = begun;
  while (seconds_since(begun) < seconds) {
    std::this_thread::sleep_for(kWatchPeriod);
    result.held_at_end = held_memory_bytes(daemon.id());
    result.held_most = std::max(result.held_most, result.held_at_end);
    if (Clock::now() - told < kProgressPeriod) continue;
    told += kProgressPeriod;
    char words[80];
    std::snprintf(words, sizeof words, "%4.0f s: %.2f GiB held", seconds_since(begun),
                  static_cast<double>(result.held_at_end) / (1 << 30));
    progress(words);
  }
}

}  // namespace

absl::StatusOr<SoakResult> soak(const DaemonProcess& daemon, const MixedLoadShape& shape,
                                double seconds, void (*progress)(const std::string& words)) {
  absl::StatusOr<DaemonMetrics> metrics = DaemonMetrics::read(daemon.metrics_address());
  if (!metrics.ok()) return metrics.status();
  SoakResult result;
  result.memory_plan_bytes = static_cast<int64_t>(metrics->value("tessera_memory_plan_bytes"));
  result.held_at_start = result.held_most = held_memory_bytes(daemon.id());
  const Clock::time_point begun = Clock::now();
  {
    MixedLoad load(daemon.grpc_address(), shape);
    watch_memory(daemon, seconds, result, progress);
    result.load = load.stop();
  }
  result.seconds = seconds_since(begun);
  const Clock::time_point stopped = Clock::now();
  do {
    std::this_thread::sleep_for(kWatchPeriod);
    metrics = DaemonMetrics::read(daemon.metrics_address());
    if (!metrics.ok()) return metrics.status();
    result.running = metrics->value("tessera_requests_running");
    result.waiting = metrics->value("tessera_requests_waiting");
    result.kv_usage = metrics->value("tessera_kv_cache_usage_ratio");
  } while (result.running + result.waiting + result.kv_usage > 0 &&
           Clock::now() - stopped < kSettle);
  result.held_at_end = held_memory_bytes(daemon.id());
  result.steps = metrics->value("tessera_steps_total");
  result.preemptions = metrics->value("tessera_preemptions_total");
  result.step_ratios = metrics->buckets("tessera_step_time_ratio");
  return result;
}

double quantile(const std::vector<std::pair<double, double>>& cumulative, double share) {
  if (cumulative.empty() || cumulative.back().second <= 0) return 0;
  const double wanted = share * cumulative.back().second;
  double edge_below = 0, count_below = 0;
  for (const auto& [edge, count] : cumulative) {
    if (count >= wanted) {
      if (std::isinf(edge)) return edge_below;
      return edge_below + (edge - edge_below) * (wanted - count_below) / (count - count_below);
    }
    edge_below = edge;
    count_below = count;
  }
  return edge_below;
}

double share_between(const std::vector<std::pair<double, double>>& cumulative, double low,
                     double high) {
  double below = 0, up_to = 0;
  for (const auto& [edge, count] : cumulative) {
    if (edge <= low) below = count;
    if (edge <= high) up_to = count;
  }
  return cumulative.empty() || cumulative.back().second <= 0
             ? 0
             : (up_to - below) / cumulative.back().second;
}

}  // namespace tessera
