#include <cmath>

#include "kernels/cpu/reference/bounds.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

Progress feature_put(Execution&, const FeaturePut& a) {
  for (int64_t k = 0; k < a.slots.dim(0); ++k) {
    const float* in = row_of<const float>(a.rows, a.index, k);
    const float* gate = modulation_row(a.gate, a.row_mod, k);
    float* kept = row_of<float>(a.store, a.slots, k);
    for (int64_t d = 0; d < a.store.dim(1); ++d) {
      const float value = gate == nullptr ? in[d] : gate[d] * in[d];
      kept[d] = a.minus_store ? value - kept[d] : value;
    }
  }
  return Progress::kDone;
}

Progress feature_add(Execution&, const FeatureAdd& a) {
  for (int64_t k = 0; k < a.slots.dim(0); ++k) {
    const float* kept = row_of<const float>(a.store, a.slots, k);
    const float* gate = modulation_row(a.gate, a.row_mod, k);
    float* residual = row_of<float>(a.residual, a.rows, k);
    for (int64_t d = 0; d < a.store.dim(1); ++d) {
      residual[d] =
          gate == nullptr ? residual[d] + kept[d] : std::fma(gate[d], kept[d], residual[d]);
    }
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
