#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {

Progress resolve_tokens(Execution&, const ResolveTokens& a) {
  for (int64_t t = 0; t < a.tokens.dim(0); ++t) {
    const int32_t reference = a.references.as<int32_t>()[t];
    const int32_t token =
        reference >= 0 ? reference : a.last_tokens.as<int32_t>()[-(reference + 1)];
    a.tokens.as<int32_t>()[t] = token;
    const int32_t slot = a.slots.as<int32_t>()[t];
    if (slot < 0) continue;
    const int32_t position = a.positions.as<int32_t>()[t];
    CHECK_LT(position, a.history.dim(1));
    a.history.row<int32_t>(slot)[position] = token;
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
