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

double number_of(const MetricLine& line) {
  double number = 0;
  return absl::SimpleAtod(line.value, &number) ? number : 0;
}

void show_text_model(const std::string& metrics, std::ostream& out) {
  const MetricLine running = find_metric(metrics, "tessera_requests_running");
  const MetricLine waiting = find_metric(metrics, "tessera_requests_waiting");
  const MetricLine kv = find_metric(metrics, "tessera_kv_cache_usage_ratio");
  if (running.value.empty()) return;
  out << "model: " << running.model_name << '\n'
      << "running: " << running.value << ", waiting: " << waiting.value;
  double share = 0;
  if (absl::SimpleAtod(kv.value, &share))
    out << absl::StrFormat(", KV cache: %.0f %% used", 100 * share);
  const MetricLine slots = find_metric(metrics, "tessera_state_slots");
  if (!slots.value.empty() && slots.value != "0") {
    out << ", states: " << find_metric(metrics, "tessera_state_slots_used").value << " of "
        << slots.value << " used";
  }
  out << '\n';
}

void show_diffusion_model(const std::string& metrics, const std::string& model, std::ostream& out) {
  const auto of_model = [&](const std::string& series, const std::string& decision = "") {
    for (const MetricLine& line : find_metrics(metrics, series)) {
      if (line.model_name == model && (decision.empty() || line.label("decision") == decision))
        return line;
    }
    return MetricLine{};
  };
  const MetricLine info = of_model("tessera_diffusion_model_info");
  const std::string what =
      info.value.empty() ? "loading" : info.label("pipeline") + ", " + info.label("conditioning");
  out << "model: " << model << " (" << what << ")\n"
      << "running: " << of_model("tessera_diffusion_jobs_running").value
      << ", waiting: " << of_model("tessera_diffusion_jobs_waiting").value;
  const double bytes = number_of(of_model("tessera_diffusion_job_memory_bytes"));
  if (bytes > 0)
    out << absl::StrFormat(
        ", job memory: %.0f %% used",
        100 * number_of(of_model("tessera_diffusion_job_memory_used_bytes")) / bytes);
  const double reused = number_of(of_model("tessera_diffusion_branches_total", "reused"));
  const double all = reused + number_of(of_model("tessera_diffusion_branches_total", "computed")) +
                     number_of(of_model("tessera_diffusion_branches_total", "kept"));
  if (all > 0) out << absl::StrFormat(", reused so far: %.0f %%", 100 * reused / all);
  out << '\n';
}

// Only what /metrics tells; a daemon without it is no less ready.
void show_metrics(const std::string& address, std::ostream& out) {
  absl::StatusOr<std::string> metrics = http_get(address, "/metrics", kTimeoutSeconds);
  if (!metrics.ok()) {
    out << "metrics: " << metrics.status().message() << '\n';
    return;
  }
  show_text_model(*metrics, out);
  for (const MetricLine& line : find_metrics(*metrics, "tessera_diffusion_jobs_running"))
    show_diffusion_model(*metrics, line.model_name, out);
}

}  // namespace

std::string MetricLine::label(const std::string& name) const {
  const std::string begin = name + "=\"";
  size_t at = labels.find(begin);
  // Not the end of a longer name.
  while (at != std::string::npos && at > 0 && labels[at - 1] != ',' && labels[at - 1] != '{')
    at = labels.find(begin, at + 1);
  if (at == std::string::npos) return "";
  at += begin.size();
  return labels.substr(at, labels.find('"', at) - at);
}

std::vector<MetricLine> find_metrics(const std::string& metrics, const std::string& series) {
  std::vector<MetricLine> found;
  for (const absl::string_view line : absl::StrSplit(metrics, '\n')) {
    if (!absl::StartsWith(line, series)) continue;
    const char next = line.size() > series.size() ? line[series.size()] : '\0';
    if (next != '{' && next != ' ') continue;
    const size_t space = line.rfind(' ');
    MetricLine one;
    one.value = std::string(line.substr(space == line.npos ? 0 : space + 1));
    one.labels = std::string(line.substr(series.size(), space - series.size()));
    one.model_name = one.label("model_name");
    found.push_back(std::move(one));
  }
  return found;
}

MetricLine find_metric(const std::string& metrics, const std::string& series) {
  const std::vector<MetricLine> found = find_metrics(metrics, series);
  return found.empty() ? MetricLine{} : found.front();
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
