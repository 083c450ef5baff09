#include "kernels/cpu/reference/elements.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

Progress load_vector(Execution&, const LoadVector& a) {
  for (int64_t n = 0; n < a.out.dim(0); ++n) {
    store_element(a.out.data, a.out.dtype, n, load_element(a.source, a.source_dtype, n));
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
