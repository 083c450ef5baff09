// A task fills one panel, a few hundred k of its 16 columns at a time: source rows are converted
// into a small buffer in the L1 cache and leave it transposed.
#include <algorithm>
#include <cstring>

#include "kernels/cpu/portable/portable.h"
#include "kernels/cpu/reference/math.h"

namespace tessera::portable {
namespace {

constexpr int64_t kChunk = 256;  // k per buffer: 16 columns of f32 are 16 KiB

inline void convert(float value, Bf16& to) { to = to_bf16(value); }
inline void convert(float value, float& to) { to = value; }

template <class From, class To>
void convert_row(const void* source, int64_t begin, int64_t count, To* out) {
  const From* in = static_cast<const From*>(source) + begin;
  for (int64_t k = 0; k < count; ++k) convert(to_f32(in[k]), out[k]);
}

template <class To>
void convert_row(const void* source, DType dtype, int64_t begin, int64_t count, To* out) {
  if (dtype == DType::kBf16) {
    convert_row<Bf16>(source, begin, count, out);
  } else if (dtype == DType::kF16) {
    convert_row<F16>(source, begin, count, out);
  } else {
    convert_row<float>(source, begin, count, out);
  }
}

// Columns [first, last) of one panel from the buffer's rows of the same number; k in [k0, k0 +
// count).
void put(const Bf16 (&rows)[kPanelColumns][kChunk], int64_t first, int64_t last, int64_t k0,
         int64_t count, Bf16* panel) {
  Bf16* pairs = panel + k0 * kPanelColumns;
  for (int64_t k = 0; k + 1 < count; k += 2, pairs += 2 * kPanelColumns) {
    for (int64_t column = first; column < last; ++column) {
      std::memcpy(pairs + 2 * column, &rows[column][k], 2 * sizeof(Bf16));
    }
  }
  if (count % 2 == 0) return;
  for (int64_t column = first; column < last; ++column) pairs[2 * column] = rows[column][count - 1];
}

void put(const float (&rows)[kPanelColumns][kChunk], int64_t first, int64_t last, int64_t k0,
         int64_t count, float* panel) {
  for (int64_t k = 0; k < count; ++k) {
    float* line = panel + (k0 + k) * kPanelColumns;
    for (int64_t column = first; column < last; ++column) line[column] = rows[column][k];
  }
}

// Panel `panel` of those that the source goes to.
template <class To>
void pack_panel(const PackWeight& a, int64_t panel) {
  const int64_t skipped = a.column % kPanelColumns;
  const int64_t begin = panel * kPanelColumns - skipped;  // its first column's row of the source
  const int64_t first = std::max<int64_t>(0, -begin);
  const int64_t last = std::min<int64_t>(kPanelColumns, a.N - begin);
  const int64_t to = a.column / kPanelColumns + panel * a.panel_step;
  To* out = static_cast<To*>(a.w.data) + to * a.w.padded_depth() * kPanelColumns;
  alignas(64) To rows[kPanelColumns][kChunk];
  for (int64_t k0 = 0; k0 < a.K; k0 += kChunk) {
    const int64_t count = std::min(kChunk, a.K - k0);
    for (int64_t column = first; column < last; ++column) {
      convert_row(a.source, a.source_dtype, (begin + column) * a.source_stride + k0, count,
                  rows[column]);
    }
    put(rows, first, last, k0, count, out);
  }
}

}  // namespace

Progress pack_weight(Execution& execution, const PackWeight& a) {
  static_assert(kChunk % 2 == 0);  // pairs do not straddle buffers
  const int64_t panels = (a.column % kPanelColumns + a.N + kPanelColumns - 1) / kPanelColumns;
  execution.pool().parallel_for(panels, [&](int64_t panel, int) {
    if (a.w.dtype == DType::kBf16) {
      pack_panel<Bf16>(a, panel);
    } else {
      pack_panel<float>(a, panel);
    }
  });
  return Progress::kDone;
}

}  // namespace tessera::portable
