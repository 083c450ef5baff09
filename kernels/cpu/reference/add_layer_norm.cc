#include <cmath>

#include "kernels/cpu/reference/bounds.h"
#include "kernels/cpu/reference/elements.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

namespace {

// x times `gain` plus `bias` where either is given; an absent gain is 1, an absent bias 0.
float affine(float x, const float* gain, float more_gain, const float* bias, int64_t d) {
  if (gain == nullptr && bias == nullptr) return x;
  return std::fma(x, gain == nullptr ? 1.0f : more_gain + gain[d],
                  bias == nullptr ? 0.0f : bias[d]);
}

}  // namespace

Progress add_layer_norm(Execution&, const AddLayerNorm& a) {
  const int64_t D = a.normed.dim(1);
  for (int64_t r = 0; r < a.normed.dim(0); ++r) {
    float* x = row_of<float>(a.residual, a.rows, r);
    const float* gate = modulation_row(a.gate, a.row_mod, r);
    const float* scale = modulation_row(a.scale, a.row_mod, r);
    const float* shift = modulation_row(a.shift, a.row_mod, r);
    LaneSum sum, squares;
    for (int64_t d = 0; d < D; ++d) {
      if (!a.delta.empty()) {
        const float delta = a.delta.row<float>(r)[d];
        x[d] = gate == nullptr ? x[d] + delta : std::fma(gate[d], delta, x[d]);
      }
      sum.add(d, x[d]);
    }
    const float mean = sum.total() / static_cast<float>(D);
    for (int64_t d = 0; d < D; ++d) squares.add_product(d, x[d] - mean, x[d] - mean);
    const float inverse = 1.0f / std::sqrt(squares.total() / static_cast<float>(D) + a.eps);
    for (int64_t d = 0; d < D; ++d) {
      float y = x[d];
      if (a.normalise) {
        y = (y - mean) * inverse;
        y = affine(y, a.gain.as<float>(), 0.0f, a.bias.as<float>(), d);
        y = affine(y, scale, 1.0f, shift, d);
      }
      store_element(a.normed.data, a.normed.dtype, r * a.normed.stride[0] + d, y);
    }
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
