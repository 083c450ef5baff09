// `tessera status`: is the daemon ready, what does it serve, how busy is it. Main thread.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace tessera {

// The exit code: 0 ready, 1 not ready or not there, 2 wrong options.
int run_status(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err);

// A line of what /metrics tells.
struct MetricLine {
  std::string value, model_name;
  std::string labels;                                // {name="value",...}
  std::string label(const std::string& name) const;  // empty where there is none
};
// The lines of a series, and the first of them; empty where there is none.
std::vector<MetricLine> find_metrics(const std::string& metrics, const std::string& series);
MetricLine find_metric(const std::string& metrics, const std::string& series);

}  // namespace tessera
