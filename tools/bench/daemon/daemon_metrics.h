// What a daemon's /metrics says at one moment. Any thread.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace tessera {

class DaemonMetrics {
 public:
  // UNAVAILABLE when nobody answers at `address`.
  static absl::StatusOr<DaemonMetrics> read(const std::string& address);

  // Sum of the series of this name; 0 when there is none.
  double value(const std::string& name) const;
  // Of the series of this name that have the label, its value -> theirs.
  std::map<std::string, double> by_label(const std::string& name, const std::string& label) const;
  // Upper edges of a histogram's buckets and how many observations lie at or below each; the last
  // edge is infinite. Of the first series of that name.
  std::vector<std::pair<double, double>> buckets(const std::string& name) const;

 private:
  std::vector<std::pair<std::string, double>> series_;  // "name{labels}" as written
};

}  // namespace tessera
