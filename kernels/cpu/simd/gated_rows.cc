// Gated additions to rows and the traffic with the feature store: one sweep over a row, bound by
// memory.
#include "kernels/cpu/execution.h"
#include "kernels/cpu/portable/row_tasks.h"
#include "kernels/cpu/reference/bounds.h"
#include "kernels/cpu/simd/install.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/gated_rows.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/cpu/simd/rows_inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera {
namespace HWY_NAMESPACE {
namespace {

#if HWY_NATIVE_FMA

// to += gate * from, or to += from.
void add_row(const float* from, const float* gate, int64_t D, float* to) {
  int64_t d = 0;
  for (; d + kLanes <= D; d += kLanes) {
    const FloatVec value = load_row(from + d), sum = load_row(to + d);
    store_row(gate == nullptr ? hn::Add(sum, value) : hn::MulAdd(load_row(gate + d), value, sum),
              to + d);
  }
  for (; d < D; ++d) to[d] = gate == nullptr ? to[d] + from[d] : std::fma(gate[d], from[d], to[d]);
}

Progress run_add_rows(Execution& execution, const AddRows& a) {
  const int64_t D = a.delta.dim(1);
  for_each_row(execution, a.delta.dim(0), 12 * D, [&](int64_t r, int) {
    add_row(a.delta.row<float>(r), modulation_row(a.gate, a.row_mod, r), D,
            row_of<float>(a.residual, a.rows, r));
  });
  return Progress::kDone;
}

Progress run_feature_add(Execution& execution, const FeatureAdd& a) {
  const int64_t D = a.store.dim(1);
  for_each_row(execution, a.slots.dim(0), 12 * D, [&](int64_t k, int) {
    add_row(row_of<const float>(a.store, a.slots, k), modulation_row(a.gate, a.row_mod, k), D,
            row_of<float>(a.residual, a.rows, k));
  });
  return Progress::kDone;
}

// kept = gate * in, or in; minus what `kept` was where kMinus says so.
template <bool kMinus>
void put_row(const float* in, const float* gate, int64_t D, float* kept) {
  int64_t d = 0;
  for (; d + kLanes <= D; d += kLanes) {
    FloatVec value = load_row(in + d);
    if (gate != nullptr) value = hn::Mul(load_row(gate + d), value);
    if constexpr (kMinus) value = hn::Sub(value, load_row(kept + d));
    store_row(value, kept + d);
  }
  for (; d < D; ++d) {
    const float value = gate == nullptr ? in[d] : gate[d] * in[d];
    kept[d] = kMinus ? value - kept[d] : value;
  }
}

Progress run_feature_put(Execution& execution, const FeaturePut& a) {
  const int64_t D = a.store.dim(1);
  for_each_row(execution, a.slots.dim(0), 12 * D, [&](int64_t k, int) {
    const float* in = row_of<const float>(a.rows, a.index, k);
    const float* gate = modulation_row(a.gate, a.row_mod, k);
    float* kept = row_of<float>(a.store, a.slots, k);
    if (a.minus_store) {
      put_row<true>(in, gate, D, kept);
    } else {
      put_row<false>(in, gate, D, kept);
    }
  });
  return Progress::kDone;
}

Progress run_add_positions(Execution& execution, const AddPositions& a) {
  const int64_t D = a.residual.dim(1), Da = a.table_a.dim(1);
  for_each_row(execution, a.index_a.dim(0), 12 * D, [&](int64_t r, int) {
    float* residual = row_of<float>(a.residual, a.rows, r);
    add_row(row_of<const float>(a.table_a, a.index_a, r), nullptr, Da, residual);
    if (a.table_b.empty()) return;
    add_row(row_of<const float>(a.table_b, a.index_b, r), nullptr, D - Da, residual + Da);
  });
  return Progress::kDone;
}

#endif  // HWY_NATIVE_FMA

void fill_gated_rows([[maybe_unused]] OpTable& table) {
#if HWY_NATIVE_FMA
  table.add_rows = run_add_rows;
  table.feature_put = run_feature_put;
  table.feature_add = run_feature_add;
  table.add_positions = run_add_positions;
#endif
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tessera
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
HWY_EXPORT(fill_gated_rows);
void install_gated_rows(OpTable& table) { HWY_DYNAMIC_DISPATCH(fill_gated_rows)(table); }
}  // namespace tessera
#endif
