#include "engine/schedule/cost_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/core/check.h"

namespace tessera {
namespace {

using Samples = std::vector<StepSample>;

struct ContextCosts {
  double per_context = 0, per_pair = 0;
  double of(const StepShape& shape) const {
    return per_context * static_cast<double>(shape.contexts) +
           per_pair * static_cast<double>(shape.pairs);
  }
};

double median(std::vector<double> values) {
  const size_t middle = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + middle, values.end());
  if (values.size() % 2 == 1) return values[middle];
  return (values[middle] + *std::max_element(values.begin(), values.begin() + middle)) / 2;
}

double weight_of(const StepSample& sample) {
  const double seconds = std::max(sample.seconds, 1e-9);
  return 1 / (seconds * seconds);
}

// Least squares of the context terms with the row count's own time removed: only differences
// between samples of equal rows count. Errors count in proportion to the time they are part of,
// else the longest steps alone would decide.
ContextCosts fit_contexts(const std::map<int64_t, Samples>& by_rows) {
  double cc = 0, cp = 0, pp = 0, cs = 0, ps = 0;
  for (const auto& [rows, samples] : by_rows) {
    double weights = 0, contexts = 0, pairs = 0, seconds = 0;
    for (const StepSample& sample : samples) {
      const double weight = weight_of(sample);
      weights += weight;
      contexts += weight * static_cast<double>(sample.shape.contexts);
      pairs += weight * static_cast<double>(sample.shape.pairs);
      seconds += weight * sample.seconds;
    }
    for (const StepSample& sample : samples) {
      const double weight = weight_of(sample);
      const double c = static_cast<double>(sample.shape.contexts) - contexts / weights;
      const double p = static_cast<double>(sample.shape.pairs) - pairs / weights;
      const double s = sample.seconds - seconds / weights;
      cc += weight * c * c, cp += weight * c * p, pp += weight * p * p;
      cs += weight * c * s, ps += weight * p * s;
    }
  }
  const auto alone = [](double product, double square) {
    return square > 0 ? std::max(0.0, product / square) : 0.0;
  };
  // Where only decode steps were measured the two terms are the same number: contexts takes all.
  const double determinant = cc * pp - cp * cp;
  if (determinant <= 1e-9 * cc * pp) {
    return cc > 0 ? ContextCosts{alone(cs, cc), 0} : ContextCosts{0, alone(ps, pp)};
  }
  const double per_context = (cs * pp - ps * cp) / determinant;
  const double per_pair = (ps * cc - cs * cp) / determinant;
  if (per_context < 0) return {0, alone(ps, pp)};
  if (per_pair < 0) return {alone(cs, cc), 0};
  return {per_context, per_pair};
}

// Median time of each row count, pooled where a larger count came out faster.
std::vector<CostModel::Knot> fit_table(const std::map<int64_t, Samples>& by_rows,
                                       const ContextCosts& costs) {
  struct Pool {
    std::vector<int64_t> rows;
    double sum, weight;
    double mean() const { return sum / weight; }
  };
  std::vector<Pool> pools;
  for (const auto& [rows, samples] : by_rows) {
    std::vector<double> rest;
    for (const StepSample& sample : samples)
      rest.push_back(sample.seconds - costs.of(sample.shape));
    const double weight = static_cast<double>(samples.size());
    pools.push_back({{rows}, std::max(0.0, median(std::move(rest))) * weight, weight});
    while (pools.size() > 1 && pools.back().mean() < pools[pools.size() - 2].mean()) {
      Pool& into = pools[pools.size() - 2];
      into.rows.insert(into.rows.end(), pools.back().rows.begin(), pools.back().rows.end());
      into.sum += pools.back().sum;
      into.weight += pools.back().weight;
      pools.pop_back();
    }
  }
  std::vector<CostModel::Knot> knots;
  for (const Pool& pool : pools) {
    for (const int64_t rows : pool.rows) knots.push_back({rows, pool.mean()});
  }
  return knots;
}

std::map<int64_t, Samples> group_by_rows(absl::Span<const StepSample> samples) {
  std::map<int64_t, Samples> by_rows;
  for (const StepSample& sample : samples) by_rows[sample.shape.rows].push_back(sample);
  return by_rows;
}

}  // namespace

CostModel::CostModel(std::vector<Knot> knots, double seconds_per_context, double seconds_per_pair)
    : knots_(std::move(knots)), per_context_(seconds_per_context), per_pair_(seconds_per_pair) {
  for (size_t knot = 1; knot < knots_.size(); ++knot) {
    CHECK_LT(knots_[knot - 1].rows, knots_[knot].rows);
    CHECK_LE(knots_[knot - 1].seconds, knots_[knot].seconds);
  }
}

CostModel CostModel::fit(absl::Span<const StepSample> samples) {
  if (samples.empty()) return CostModel();
  std::map<int64_t, Samples> by_rows = group_by_rows(samples);
  ContextCosts costs = fit_contexts(by_rows);
  CostModel model(fit_table(by_rows, costs), costs.per_context, costs.per_pair);

  // A step that met a busy machine says nothing about the others: fit again without the far ones.
  std::vector<double> errors;
  for (const StepSample& sample : samples) {
    errors.push_back(std::abs(sample.seconds - model.predict(sample.shape)) /
                     std::max(sample.seconds, 1e-9));
  }
  const double limit = 4 * median(errors);
  Samples kept;
  for (size_t index = 0; index < samples.size(); ++index) {
    if (errors[index] <= limit) kept.push_back(samples[index]);
  }
  std::map<int64_t, Samples> kept_by_rows = group_by_rows(kept);
  // A row count keeps all its samples rather than none.
  for (auto& [rows, all] : by_rows) kept_by_rows.try_emplace(rows, std::move(all));
  costs = fit_contexts(kept_by_rows);
  return CostModel(fit_table(kept_by_rows, costs), costs.per_context, costs.per_pair);
}

double CostModel::table(int64_t rows) const {
  if (knots_.empty() || rows <= 0) return 0;
  if (rows <= knots_.front().rows) return knots_.front().seconds;
  const auto above = std::lower_bound(knots_.begin(), knots_.end(), rows,
                                      [](const Knot& knot, int64_t r) { return knot.rows < r; });
  const double at = static_cast<double>(rows);
  if (above == knots_.end()) {
    // Beyond what was measured: never cheaper per row than the last measured step.
    return knots_.back().seconds * at / static_cast<double>(knots_.back().rows);
  }
  const Knot& low = *(above - 1);
  const double part =
      (at - static_cast<double>(low.rows)) / static_cast<double>(above->rows - low.rows);
  return low.seconds + part * (above->seconds - low.seconds);
}

double CostModel::predict(const StepShape& shape) const {
  return table(shape.rows) + per_context_ * static_cast<double>(shape.contexts) +
         per_pair_ * static_cast<double>(shape.pairs);
}

int64_t CostModel::rows_within(const StepShape& so_far, int64_t first, int64_t rows_max,
                               double target_seconds) const {
  const auto fits = [&](int64_t rows) {
    StepShape shape = so_far;
    shape.add(first, rows);
    return predict(shape) <= target_seconds;
  };
  if (rows_max <= 0 || !fits(1)) return 0;
  int64_t low = 1, high = rows_max;  // low fits
  while (low < high) {
    const int64_t middle = low + (high - low + 1) / 2;
    if (fits(middle)) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

int64_t CostModel::token_budget(int64_t rows_max, double target_seconds, double tolerance) const {
  if (knots_.empty()) return std::max<int64_t>(1, rows_max);
  int64_t allowed = rows_within(StepShape{}, 0, rows_max, target_seconds);
  allowed = std::max<int64_t>(1, allowed);
  double cheapest = std::numeric_limits<double>::infinity();
  for (int64_t rows = 1; rows <= allowed; ++rows) {
    cheapest = std::min(cheapest, table(rows) / static_cast<double>(rows));
  }
  for (int64_t rows = 1; rows < allowed; ++rows) {
    if (table(rows) / static_cast<double>(rows) <= cheapest * (1 + tolerance)) return rows;
  }
  return allowed;
}

std::string CostModel::describe() const {
  std::string text = "step seconds by rows:";
  for (const Knot& knot : knots_) absl::StrAppend(&text, " ", knot.rows, ": ", knot.seconds);
  absl::StrAppend(&text, "; per context position ", per_context_, ", per row and position ",
                  per_pair_);
  return text;
}

}  // namespace tessera
