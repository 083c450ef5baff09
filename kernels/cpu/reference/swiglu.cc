#include "kernels/cpu/reference/elements.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

Progress swiglu(Execution&, const SwiGlu& a) {
  const int64_t F = a.out.dim(1);
  for (int64_t m = 0; m < a.out.dim(0); ++m) {
    const float* gate = a.gate_up.row<float>(m);
    const float* up = gate + F;
    for (int64_t f = 0; f < F; ++f) {
      store_element(a.out.data, a.out.dtype, m * a.out.stride[0] + f, silu(gate[f]) * up[f]);
    }
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
