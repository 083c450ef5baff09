// Keeps the cost model true while the machine changes under it: the samples of the start, for the
// shapes that no step has had lately, and the latest steps, for what steps cost now. Owned by an
// engine; engine thread only.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/schedule/cost_model.h"

namespace tessera {

class CostHistory {
 public:
  static constexpr size_t kStepsKept = 256;
  static constexpr size_t kStepsBetweenFits = 32;

  explicit CostHistory(std::vector<StepSample> measured_at_start);

  void add(const StepSample& step);
  bool due() const { return since_fit_ >= kStepsBetweenFits; }
  // The samples of the start count as if measured on the machine as it is now: their times grow or
  // shrink by the factor that the latest steps show.
  CostModel fit();

 private:
  const std::vector<StepSample> start_;
  const CostModel at_start_;
  std::vector<StepSample> steps_;  // a ring
  size_t next_ = 0, since_fit_ = 0;
};

}  // namespace tessera
