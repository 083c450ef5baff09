#include "engine/schedule/cost_history.h"

#include <algorithm>
#include <utility>

namespace tessera {

CostHistory::CostHistory(std::vector<StepSample> measured_at_start)
    : start_(std::move(measured_at_start)), at_start_(CostModel::fit(start_)) {}

void CostHistory::add(const StepSample& step) {
  if (steps_.size() < kStepsKept) {
    steps_.push_back(step);
  } else {
    steps_[next_] = step;
    next_ = (next_ + 1) % kStepsKept;
  }
  ++since_fit_;
}

CostModel CostHistory::fit() {
  since_fit_ = 0;
  std::vector<double> factors;
  for (const StepSample& step : steps_) {
    const double predicted = at_start_.predict(step.shape);
    if (predicted > 0) factors.push_back(step.seconds / predicted);
  }
  double factor = 1;
  if (!factors.empty()) {
    std::nth_element(factors.begin(), factors.begin() + factors.size() / 2, factors.end());
    factor = factors[factors.size() / 2];
  }
  std::vector<StepSample> samples = start_;
  for (StepSample& sample : samples) sample.seconds *= factor;
  samples.insert(samples.end(), steps_.begin(), steps_.end());
  return CostModel::fit(samples);
}

}  // namespace tessera
