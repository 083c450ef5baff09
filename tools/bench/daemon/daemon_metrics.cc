#include "tools/bench/daemon/daemon_metrics.h"

#include <cstdlib>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "tools/client/http_get.h"

namespace tessera {
namespace {

constexpr double kTimeoutSeconds = 10;

bool is_of(const std::string& series, const std::string& name) {
  return absl::StartsWith(series, name) &&
         (series.size() == name.size() || series[name.size()] == '{');
}

}  // namespace

absl::StatusOr<DaemonMetrics> DaemonMetrics::read(const std::string& address) {
  const absl::StatusOr<std::string> text = http_get(address, "/metrics", kTimeoutSeconds);
  if (!text.ok()) return text.status();
  DaemonMetrics metrics;
  for (const absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipWhitespace())) {
    const size_t space = line.rfind(' ');
    if (line.front() == '#' || space == absl::string_view::npos) continue;
    metrics.series_.emplace_back(line.substr(0, space),
                                 std::atof(std::string(line.substr(space + 1)).c_str()));
  }
  return metrics;
}

double DaemonMetrics::value(const std::string& name) const {
  double sum = 0;
  for (const auto& [series, value] : series_) {
    if (is_of(series, name)) sum += value;
  }
  return sum;
}

std::map<std::string, double> DaemonMetrics::by_label(const std::string& name,
                                                      const std::string& label) const {
  std::map<std::string, double> values;
  for (const auto& [series, value] : series_) {
    const size_t place = is_of(series, name) ? series.find(label + "=\"") : std::string::npos;
    if (place == std::string::npos) continue;
    const size_t begin = place + label.size() + 2;
    values[series.substr(begin, series.find('"', begin) - begin)] += value;
  }
  return values;
}

std::vector<std::pair<double, double>> DaemonMetrics::buckets(const std::string& name) const {
  std::vector<std::pair<double, double>> buckets;
  for (const auto& [series, value] : series_) {
    const size_t edge = series.find("le=\"");
    if (!is_of(series, name + "_bucket") || edge == std::string::npos) continue;
    const double upper = std::strtod(series.c_str() + edge + 4, nullptr);  // reads +Inf too
    buckets.emplace_back(upper, value);
    if (upper == std::numeric_limits<double>::infinity()) break;
  }
  return buckets;
}

}  // namespace tessera
