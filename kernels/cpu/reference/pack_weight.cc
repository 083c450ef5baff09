#include "kernels/cpu/reference/elements.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

Progress pack_weight(Execution&, const PackWeight& a) {
  for (int64_t n = 0; n < a.N; ++n) {
    for (int64_t k = 0; k < a.K; ++k) {
      const float value = load_element(a.source, a.source_dtype, n * a.source_stride + k);
      store_element(a.w.data, a.w.dtype, packed_index(a.w, k, packed_column(a, n)), value);
    }
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
