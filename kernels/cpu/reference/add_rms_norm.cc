#include <cmath>

#include "kernels/cpu/reference/elements.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

Progress add_rms_norm(Execution&, const AddRmsNorm& a) {
  const int64_t D = a.gain.dim(0);
  const float* gain = a.gain.as<float>();
  for (int64_t r = 0; r < a.normed.dim(0); ++r) {
    float* residual = a.residual.row<float>(a.rows.empty() ? r : a.rows.as<int32_t>()[r]);
    LaneSum squares;
    for (int64_t d = 0; d < D; ++d) {
      if (!a.delta.empty()) residual[d] += a.delta.row<float>(r)[d];
      squares.add_product(d, residual[d], residual[d]);
    }
    const float inverse = 1.0f / std::sqrt(squares.total() / static_cast<float>(D) + a.eps);
    for (int64_t d = 0; d < D; ++d) {
      store_element(a.normed.data, a.normed.dtype, r * a.normed.stride[0] + d,
                    residual[d] * inverse * gain[d]);
    }
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
