#include "kernels/cpu/reference/elements.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {
namespace {

// Column n of row m, with its bias.
float sum_at(const Linear& a, int64_t m, int64_t n) {
  const auto x = [&](int64_t k) {
    return load_element(a.x.data, a.x.dtype, m * a.x.stride[0] + k);
  };
  const auto w = [&](int64_t k) {
    return load_element(a.w.data, a.w.dtype, packed_index(a.w, k, n));
  };
  const float sum =
      a.w.dtype == DType::kBf16 ? dot_bf16(0.0f, a.w.K, x, w) : dot_f32(0.0f, a.w.K, x, w);
  return a.bias.empty() ? sum : sum + a.bias.as<float>()[n];
}

float output_at(const Linear& a, int64_t m, int64_t f) {
  if (!a.gated) {
    const float sum = sum_at(a, m, f);
    return a.activation.has_value() ? activated(*a.activation, sum) : sum;
  }
  const int64_t gate = f / kPanelColumns * 2 * kPanelColumns + f % kPanelColumns;
  return activated(*a.activation, sum_at(a, m, gate)) * sum_at(a, m, gate + kPanelColumns);
}

}  // namespace

Progress linear(Execution&, const Linear& a) {
  for (int64_t m = 0; m < a.x.dim(0); ++m) {
    for (int64_t f = 0; f < a.out.dim(1); ++f) {
      store_element(a.out.data, a.out.dtype, m * a.out.stride[0] + f, output_at(a, m, f));
    }
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
