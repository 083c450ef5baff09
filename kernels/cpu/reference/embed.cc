#include "kernels/cpu/reference/elements.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

Progress embed(Execution&, const Embed& a) {
  for (int64_t t = 0; t < a.tokens.dim(0); ++t) {
    const int64_t column = a.tokens.as<int32_t>()[t] - a.first;
    const bool ours = column >= 0 && column < a.table.N;
    float* residual = a.residual.row<float>(t);
    for (int64_t d = 0; d < a.table.K; ++d) {
      residual[d] =
          ours ? load_element(a.table.data, a.table.dtype, packed_index(a.table, d, column)) : 0.0f;
    }
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
