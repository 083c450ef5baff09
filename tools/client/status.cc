#include "tools/client/status.h"

#include <ostream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "tools/client/connection.h"
#include "tools/client/http_get.h"
#include "tools/client/options.h"

namespace tessera {
namespace {

constexpr int kNotReady = 1, kUsage = 2;
constexpr double kTimeoutSeconds = 5;

struct StatusOptions {
  std::string address = "127.0.0.1:50051", metrics_address = "127.0.0.1:9464";
  bool help = false;

  std::vector<Option> rows() {
    return {{"--address", "HOST:PORT", "the daemon; 127.0.0.1:50051", into_text(address)},
            {"--metrics-address", "HOST:PORT", "its metrics; 127.0.0.1:9464",
             into_text(metrics_address)},
            {"--help", "", "this", into_flag(help)}};
  }
};

// Only what /metrics tells; a daemon without it is no less ready.
void show_metrics(const std::string& address, std::ostream& out) {
  absl::StatusOr<std::string> metrics = http_get(address, "/metrics", kTimeoutSeconds);
  if (!metrics.ok()) {
    out << "metrics: " << metrics.status().message() << '\n';
    return;
  }
  const MetricLine running = find_metric(*metrics, "tessera_requests_running");
  const MetricLine waiting = find_metric(*metrics, "tessera_requests_waiting");
  const MetricLine kv = find_metric(*metrics, "tessera_kv_cache_usage_ratio");
  double share = 0;
  out << "model: " << running.model_name << '\n'
      << "running: " << running.value << ", waiting: " << waiting.value;
  if (absl::SimpleAtod(kv.value, &share))
    out << absl::StrFormat(", KV cache: %.0f %% used", 100 * share);
  const MetricLine slots = find_metric(*metrics, "tessera_state_slots");
  if (!slots.value.empty() && slots.value != "0") {
    out << ", states: " << find_metric(*metrics, "tessera_state_slots_used").value << " of "
        << slots.value << " used";
  }
  out << '\n';
}

}  // namespace

MetricLine find_metric(const std::string& metrics, const std::string& series) {
  const std::vector<std::string> lines = absl::StrSplit(metrics, '\n');
  for (const std::string& line : lines) {
    if (!absl::StartsWith(line, series)) continue;
    const char next = line.size() > series.size() ? line[series.size()] : '\0';
    if (next != '{' && next != ' ') continue;
    MetricLine found;
    found.value = line.substr(line.rfind(' ') + 1);
    const std::string label = "model_name=\"";
    if (const size_t at = line.find(label); at != std::string::npos) {
      const size_t begin = at + label.size();
      found.model_name = line.substr(begin, line.find('"', begin) - begin);
    }
    return found;
  }
  return {};
}

int run_status(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
  StatusOptions options;
  std::vector<std::string> positional;
  absl::Status parsed = parse_options(options.rows(), arguments, positional);
  if (parsed.ok() && !positional.empty())
    parsed = absl::InvalidArgumentError("it takes options only");
  if (!parsed.ok()) {
    err << "tessera status: " << parsed.message() << '\n';
    return kUsage;
  }
  if (options.help) {
    out << "tessera status [options]\nSays whether a daemon is ready, what it serves and how busy "
           "it "
           "is.\n\n"
        << options_help(options.rows());
    return 0;
  }
  Connection connection(options.address);
  absl::StatusOr<bool> ready = connection.serving("", kTimeoutSeconds);
  if (!ready.ok()) {
    err << "tessera: " << ready.status().message() << '\n';
    return kNotReady;
  }
  absl::StatusOr<bool> live = connection.serving("live", kTimeoutSeconds);
  const bool alive = live.ok() && *live;
  out << options.address << ": "
      << (*ready  ? "ready"
          : alive ? "not ready (loading or shutting down)"
                  : "not healthy")
      << '\n';
  show_metrics(options.metrics_address, out);
  return *ready ? 0 : kNotReady;
}

}  // namespace tessera
