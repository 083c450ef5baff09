// `tessera status`: is the daemon ready, what does it serve, how busy is it. Main thread.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace tessera {

// The exit code: 0 ready, 1 not ready or not there, 2 wrong options.
int run_status(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err);

// The value of the first line of `metrics` that begins with `series`, and its model_name label;
// empty where there is none.
struct MetricLine {
  std::string value, model_name;
};
MetricLine find_metric(const std::string& metrics, const std::string& series);

}  // namespace tessera
