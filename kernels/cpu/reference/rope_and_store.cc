#include <cmath>
#include <vector>

#include "kernels/cpu/reference/bounds.h"
#include "kernels/cpu/reference/elements.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

namespace {

// One head after its norm (where `gain` is given) and rotation by the angles of `cos_sin` (where
// that is given).
void rotate_head(const float* in, const float* gain, float eps, const float* cos_sin, int64_t Dh,
                 float* out) {
  float inverse = 1.0f;
  if (gain != nullptr) {
    LaneSum squares;
    for (int64_t d = 0; d < Dh; ++d) squares.add_product(d, in[d], in[d]);
    inverse = 1.0f / std::sqrt(squares.total() / static_cast<float>(Dh) + eps);
  }
  const auto normed = [&](int64_t d) {
    return gain == nullptr ? in[d] : in[d] * inverse * gain[d];
  };
  if (cos_sin == nullptr) {
    for (int64_t d = 0; d < Dh; ++d) out[d] = normed(d);
    return;
  }
  const int64_t half = Dh / 2;
  for (int64_t d = 0; d < half; ++d) {
    const float low = normed(d), high = normed(d + half);
    const float cosine = cos_sin[d], sine = cos_sin[half + d];
    out[d] = std::fma(low, cosine, -(high * sine));
    out[d + half] = std::fma(high, cosine, low * sine);
  }
}

}  // namespace

Progress rope_and_store(Execution&, const RopeAndStore& a) {
  const PageIndex index(a.k_pages);
  const DType dtype = a.k_pages.dtype;
  std::vector<float> rotated(static_cast<size_t>(a.Dh));
  for (int64_t t = 0; t < a.qkv.dim(0); ++t) {
    const float* row = a.qkv.row<float>(t);
    const float* cos_sin =
        a.cos_sin.empty() ? nullptr : row_of<const float>(a.cos_sin, a.positions, t);
    for (int64_t h = 0; h < a.H; ++h) {
      rotate_head(row + h * a.Dh, a.q_gain.as<float>(), a.norm_eps, cos_sin, a.Dh, rotated.data());
      for (int64_t d = 0; d < a.Dh; ++d) {
        store_element(a.q.data, dtype, t * a.q.stride[0] + h * a.q.stride[1] + d, rotated[d]);
      }
    }
    const int32_t slot = a.slots.as<int32_t>()[t];
    if (slot < 0) continue;
    for (int64_t h = 0; h < a.Hkv; ++h) {
      const float* k = row + (a.H + h) * a.Dh;
      const float* v = k + a.Hkv * a.Dh;
      rotate_head(k, a.k_gain.as<float>(), a.norm_eps, cos_sin, a.Dh, rotated.data());
      for (int64_t d = 0; d < a.Dh; ++d) {
        store_element(a.k_pages.data, dtype, index.k(slot, h, d), rotated[d]);
        store_element(a.v_pages.data, dtype, index.v(slot, h, d), v[d]);
      }
    }
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
