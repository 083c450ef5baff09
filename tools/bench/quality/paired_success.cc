#include "tools/bench/quality/paired_success.h"

#include <algorithm>
#include <cmath>

namespace tessera {

void PairedSuccess::add(bool baseline, bool other) {
  ++pairs_;
  baseline_ += baseline;
  other_ += other;
  lost_ += baseline && !other;
  gained_ += other && !baseline;
}

double PairedSuccess::margin() const {
  if (pairs_ == 0) return 1;
  const auto pairs = static_cast<double>(pairs_);
  const auto differing = static_cast<double>(lost_ + gained_);
  if (differing == 0) return std::min(1.0, 3 / pairs);
  const auto difference = static_cast<double>(lost_ - gained_);
  return 1.96 * std::sqrt(differing - difference * difference / pairs) / pairs;
}

double median_of(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace tessera
