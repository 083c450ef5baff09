#include "engine/branch/bac_calibration.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/weights/message.h"
#include "kernels/core/check.h"

namespace tessera {
namespace {

double cosine(std::span<const float> a, std::span<const float> b) {
  double mixed = 0, first = 0, second = 0;
  for (size_t at = 0; at < a.size(); ++at) {
    mixed += double{a[at]} * b[at];
    first += double{a[at]} * a[at];
    second += double{b[at]} * b[at];
  }
  // Two branches that add nothing are alike; nothing and something are not.
  if (first == 0 || second == 0) return first == second ? 1 : 0;
  return mixed / std::sqrt(first * second);
}

double mean_absolute(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t at = 0; at < a.size(); ++at) sum += std::abs(double{a[at]} - b[at]);
  return sum / static_cast<double>(a.size());
}

double mean_square(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t at = 0; at < a.size(); ++at) sum += std::pow(double{a[at]} - b[at], 2);
  return sum / static_cast<double>(a.size());
}

double alike(std::span<const float> a, std::span<const float> b, BranchMetric metric) {
  switch (metric) {
    case BranchMetric::kCosine:
      return cosine(a, b);
    case BranchMetric::kMse:
      return -mean_square(a, b);
    case BranchMetric::kL1:
      return -mean_absolute(a, b);
    case BranchMetric::kL2:
      return -std::sqrt(mean_square(a, b) * static_cast<double>(a.size()));
  }
  return 0;
}

// [first][last]: what the segment is worth.
std::vector<double> segment_values(std::span<const double> similarity, int steps,
                                   SegmentValue value) {
  std::vector<double> values(similarity.size());
  for (int first = 0; first < steps; ++first) {
    double sum = 0;
    for (int last = first; last < steps; ++last) {
      if (value == SegmentValue::kToFirst) {
        sum += similarity[first * steps + last];
      } else if (last > first) {
        sum += similarity[(last - 1) * steps + last];
      }
      values[first * steps + last] = sum;
    }
  }
  return values;
}

}  // namespace

absl::StatusOr<std::vector<double>> branch_similarity(std::span<const float> outputs, int steps,
                                                      BranchMetric metric) {
  if (steps < 1 || outputs.empty() || outputs.size() % static_cast<size_t>(steps) != 0) {
    return absl::InvalidArgumentError(
        concat(outputs.size(), " outputs cannot belong to ", steps, " steps"));
  }
  if (!std::all_of(outputs.begin(), outputs.end(), [](float v) { return std::isfinite(v); })) {
    return absl::InvalidArgumentError("outputs are not finite");
  }
  const size_t width = outputs.size() / steps;
  std::vector<double> similarity(size_t{1} * steps * steps);
  for (int a = 0; a < steps; ++a) {
    for (int b = a; b < steps; ++b) {
      const double found =
          alike(outputs.subspan(a * width, width), outputs.subspan(b * width, width), metric);
      similarity[a * steps + b] = similarity[b * steps + a] = found;
    }
  }
  return similarity;
}

void weigh_late_steps(std::span<double> similarity, int steps, double late, BranchMetric metric) {
  CHECK(similarity.size() == size_t{1} * steps * steps && late >= 0);
  const double perfect = metric == BranchMetric::kCosine ? 1 : 0;
  for (int served = 0; served < steps; ++served) {
    const double weight = std::pow((served + 1.0) / steps, late);
    for (int from = 0; from < steps; ++from) {
      double& alike = similarity[from * steps + served];
      alike = perfect - weight * (perfect - alike);
    }
  }
}

double branch_error(std::span<const float> outputs, int steps) {
  const size_t width = outputs.size() / steps;
  double sum = 0;
  int64_t pairs = 0;
  for (int a = 0; a < steps; ++a) {
    for (int b = a + 1; b < steps; ++b, ++pairs) {
      sum += mean_absolute(outputs.subspan(a * width, width), outputs.subspan(b * width, width));
    }
  }
  return pairs == 0 ? 0 : sum / static_cast<double>(pairs);
}

std::vector<int> choose_updates(std::span<const double> similarity, int steps, int updates,
                                SegmentValue value) {
  CHECK(steps >= 1 && updates >= 1);
  CHECK(similarity.size() == size_t{1} * steps * steps);
  updates = std::min(updates, steps);
  const std::vector<double> values = segment_values(similarity, steps, value);
  // best[last] of the steps 0..last in `count` segments; where the last of them begins.
  std::vector<double> best(values.begin(), values.begin() + steps);
  std::vector<std::vector<int>> begins(updates, std::vector<int>(steps, 0));
  for (int count = 2; count <= updates; ++count) {
    std::vector<double> next(steps, -std::numeric_limits<double>::infinity());
    for (int last = count - 1; last < steps; ++last) {
      for (int begin = count - 1; begin <= last; ++begin) {
        const double sum = best[begin - 1] + values[begin * steps + last];
        if (begin > count - 1 && !(sum > next[last])) continue;
        next[last] = sum;
        begins[count - 1][last] = begin;
      }
    }
    best = next;
  }
  std::vector<int> chosen(updates);
  int last = steps - 1;
  for (int count = updates; count >= 1; --count) {
    chosen[count - 1] = begins[count - 1][last];
    last = chosen[count - 1] - 1;
  }
  return chosen;
}

double value_of_updates(std::span<const double> similarity, int steps,
                        const std::vector<int>& chosen, SegmentValue value) {
  const std::vector<double> values = segment_values(similarity, steps, value);
  double sum = 0;
  for (size_t at = 0; at < chosen.size(); ++at) {
    const int last = at + 1 < chosen.size() ? chosen[at + 1] - 1 : steps - 1;
    sum += values[chosen[at] * steps + last];
  }
  return sum;
}

std::vector<CalibratedUnit> bubble_up(const std::vector<CalibratedUnit>& units,
                                      const BubblingRule& rule) {
  std::vector<size_t> order;
  for (size_t unit = 0; unit < units.size(); ++unit) {
    if (!rule.mlp_only || units[unit].mlp) order.push_back(unit);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return units[a].error > units[b].error; });
  order.resize(std::min<size_t>(order.size(), std::max(rule.count, 0)));
  std::vector<CalibratedUnit> bubbled = units;
  for (size_t chosen : order) {
    std::vector<int>& updates = bubbled[chosen].updates;
    for (const CalibratedUnit& below : units) {
      const bool downstream =
          rule.later_only ? below.layer > units[chosen].layer : below.layer >= units[chosen].layer;
      if (!below.mlp || !downstream) continue;
      std::vector<int> both;
      std::set_union(updates.begin(), updates.end(), below.updates.begin(), below.updates.end(),
                     std::back_inserter(both));
      updates = std::move(both);
    }
  }
  return bubbled;
}

}  // namespace tessera
