// Highway's choice of target, one per process. It matters only while function pointers are taken:
// what is stored points into the chosen target. Used while op tables are built and by benchmarks.
#pragma once

#include "hwy/targets.h"
#include "kernels/cpu/isa.h"

namespace tessera {

// Chooses the target of `level` (not kScalar) until destroyed; then the machine's best again.
class ChosenTarget {
 public:
  explicit ChosenTarget(IsaLevel level) { choose(level == IsaLevel::kAvx2 ? HWY_AVX2 : HWY_AVX3); }
  ~ChosenTarget() { choose(0); }
  ChosenTarget(const ChosenTarget&) = delete;
  ChosenTarget& operator=(const ChosenTarget&) = delete;

 private:
  static void choose(int64_t target) {
    hwy::SetSupportedTargetsForTest(target);  // 0: whatever the machine has
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

}  // namespace tessera
