#include "kernels/cpu/reference/elements.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

float activated(Activation kind, float x) {
  switch (kind) {
    case Activation::kSilu:
      return silu(x);
    case Activation::kGelu:
      return gelu(x);
    case Activation::kGeluTanh:
      return gelu_tanh(x);
    case Activation::kQuickGelu:
      return quick_gelu(x);
    case Activation::kMish:
      return mish(x);
  }
  CHECK(false);
}

Progress activate(Execution&, const Activate& a) {
  const int64_t F = a.out.dim(1);
  for (int64_t m = 0; m < a.out.dim(0); ++m) {
    const float* in = a.in.row<float>(m);
    for (int64_t f = 0; f < F; ++f) {
      store_element(a.out.data, a.out.dtype, m * a.out.stride[0] + f, activated(a.kind, in[f]));
    }
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
