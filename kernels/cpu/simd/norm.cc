// Residual add and RMS norm: two sweeps over a row, the second from cache. Bound by memory: a row
// of [T, D] is read twice (residual, delta) and written twice.
#include "kernels/cpu/execution.h"
#include "kernels/cpu/portable/row_tasks.h"
#include "kernels/cpu/simd/install.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/norm.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/cpu/simd/rows_inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera {
namespace HWY_NAMESPACE {
namespace {

#if HWY_NATIVE_FMA

template <class Out>
void norm_row(float* HWY_RESTRICT residual, const float* HWY_RESTRICT delta, const AddRmsNorm& a,
              Out* HWY_RESTRICT out) {
  const int64_t D = a.gain.dim(0);
  const float* HWY_RESTRICT gain = a.gain.as<float>();
  const float inverse = inverse_rms(
      D, a.eps,
      [&](int64_t d) {
        FloatVec value = load_row(residual + d);
        if (delta == nullptr) return value;
        value = hn::Add(value, load_row(delta + d));
        store_row(value, residual + d);
        return value;
      },
      [&](int64_t d) {
        if (delta != nullptr) residual[d] += delta[d];
        return residual[d];
      });
  const FloatVec factor = hn::Set(FloatTag(), inverse);
  int64_t d = 0;
  for (; d + kLanes <= D; d += kLanes) {
    store_row(hn::Mul(hn::Mul(load_row(residual + d), factor), load_row(gain + d)), out + d);
  }
  for (; d < D; ++d) store_one(residual[d] * inverse * gain[d], out + d);
}

Progress run_add_rms_norm(Execution& execution, const AddRmsNorm& a) {
  const int32_t* rows = a.rows.as<int32_t>();
  for_each_row(execution, a.normed.dim(0), 16 * a.gain.dim(0), [&](int64_t r, int) {
    float* residual = a.residual.row<float>(rows == nullptr ? r : rows[r]);
    const float* delta = a.delta.empty() ? nullptr : a.delta.row<float>(r);
    if (a.normed.dtype == DType::kBf16) {
      norm_row(residual, delta, a, a.normed.row<Bf16>(r));
    } else {
      norm_row(residual, delta, a, a.normed.row<float>(r));
    }
  });
  return Progress::kDone;
}

#endif  // HWY_NATIVE_FMA

void fill_norm([[maybe_unused]] OpTable& table) {
#if HWY_NATIVE_FMA
  table.add_rms_norm = run_add_rms_norm;
#endif
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tessera
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
HWY_EXPORT(fill_norm);
void install_norm(OpTable& table) { HWY_DYNAMIC_DISPATCH(fill_norm)(table); }
}  // namespace tessera
#endif
