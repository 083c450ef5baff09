// How far values are from golden ones, in the unit of the goldens' tolerances.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "gtest/gtest.h"

namespace tessera {

// The greatest difference, in standard deviations of what is wanted.
inline double worst_sigma(const std::vector<float>& got, const std::vector<float>& want) {
  EXPECT_EQ(got.size(), want.size());
  if (got.size() != want.size() || want.empty()) return HUGE_VAL;
  double mean = 0, square = 0, worst = 0;
  for (const float value : want) mean += value / static_cast<double>(want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    square += (want[i] - mean) * (want[i] - mean) / static_cast<double>(want.size());
    const double difference = std::abs(double{got[i]} - want[i]);
    worst = std::isnan(difference) ? HUGE_VAL : std::max(worst, difference);
  }
  return worst / std::sqrt(square);
}

}  // namespace tessera
