// One column of a panel has a cache line for every pair of elements (bf16) or element (f32), so a
// token reads 32 or 16 times its own bytes; the lines are fetched by all threads at once.
#include <algorithm>

#include "kernels/cpu/portable/portable.h"
#include "kernels/cpu/portable/row_tasks.h"
#include "kernels/cpu/reference/math.h"

namespace tessera::portable {
namespace {

void embed_bf16(const PackedWeight& table, int64_t column, float* out) {
  const Bf16* pairs =
      static_cast<const Bf16*>(table.data) +
      (column / kPanelColumns * table.padded_depth() / 2 * kPanelColumns + column % kPanelColumns) *
          2;
  int64_t d = 0;
  for (; d + 1 < table.K; d += 2, pairs += 2 * kPanelColumns) {
    out[d] = to_f32(pairs[0]);
    out[d + 1] = to_f32(pairs[1]);
  }
  if (d < table.K) out[d] = to_f32(pairs[0]);
}

void embed_f32(const PackedWeight& table, int64_t column, float* out) {
  const float* element = static_cast<const float*>(table.data) +
                         column / kPanelColumns * table.padded_depth() * kPanelColumns +
                         column % kPanelColumns;
  for (int64_t d = 0; d < table.K; ++d, element += kPanelColumns) out[d] = *element;
}

}  // namespace

Progress embed(Execution& execution, const Embed& a) {
  const int64_t lines = a.table.dtype == DType::kBf16 ? (a.table.K + 1) / 2 : a.table.K;
  for_each_row(execution, a.tokens.dim(0), 64 * lines, [&](int64_t t, int) {
    const int64_t column = a.tokens.as<int32_t>()[t] - a.first;
    float* residual = a.residual.row<float>(t);
    if (column < 0 || column >= a.table.N) {
      std::fill_n(residual, a.table.K, 0.0f);
    } else if (a.table.dtype == DType::kBf16) {
      embed_bf16(a.table, column, residual);
    } else {
      embed_f32(a.table, column, residual);
    }
  });
  return Progress::kDone;
}

}  // namespace tessera::portable
