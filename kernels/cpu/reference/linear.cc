#include "kernels/cpu/reference/elements.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

Progress linear(Execution&, const Linear& a) {
  for (int64_t m = 0; m < a.x.dim(0); ++m) {
    for (int64_t n = 0; n < a.w.N; ++n) {
      const auto x = [&](int64_t k) {
        return load_element(a.x.data, a.x.dtype, m * a.x.stride[0] + k);
      };
      const auto w = [&](int64_t k) {
        return load_element(a.w.data, a.w.dtype, packed_index(a.w, k, n));
      };
      float y =
          a.w.dtype == DType::kBf16 ? dot_bf16(0.0f, a.w.K, x, w) : dot_f32(0.0f, a.w.K, x, w);
      if (!a.bias.empty()) y += a.bias.as<float>()[n];
      if (a.activation.has_value()) y = activated(*a.activation, y);
      store_element(a.out.data, a.out.dtype, m * a.out.stride[0] + n, y);
    }
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
