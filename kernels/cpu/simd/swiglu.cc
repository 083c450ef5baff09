// silu(gate) * up. About 20 vector operations per vector: bound by arithmetic on one core, by
// memory on all. Rows are cut into pieces so that one row is enough for several threads.
#include <algorithm>

#include "kernels/cpu/execution.h"
#include "kernels/cpu/simd/install.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/swiglu.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/cpu/simd/math_inl.h"
#include "kernels/cpu/simd/rows_inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera {
namespace HWY_NAMESPACE {
namespace {

#if HWY_NATIVE_FMA

constexpr int64_t kPiece = 2048;  // columns per task

template <class Out>
void swiglu_piece(const float* HWY_RESTRICT gate, const float* HWY_RESTRICT up, int64_t count,
                  Out* HWY_RESTRICT out) {
  int64_t f = 0;
  for (; f + kLanes <= count; f += kLanes) {
    const FloatVec silu = silu_vector(FloatTag(), load_row(gate + f));
    store_row(hn::Mul(silu, load_row(up + f)), out + f);
  }
  for (; f < count; ++f) store_one(silu(gate[f]) * up[f], out + f);
}

Progress run_swiglu(Execution& execution, const SwiGlu& a) {
  const int64_t F = a.out.dim(1);
  const int64_t pieces = (F + kPiece - 1) / kPiece;
  execution.pool().parallel_for(a.out.dim(0) * pieces, [&](int64_t task, int) {
    const int64_t row = task / pieces, begin = task % pieces * kPiece;
    const int64_t count = std::min(kPiece, F - begin);
    const float* gate = a.gate_up.row<float>(row) + begin;
    if (a.out.dtype == DType::kBf16) {
      swiglu_piece(gate, gate + F, count, a.out.row<Bf16>(row) + begin);
    } else {
      swiglu_piece(gate, gate + F, count, a.out.row<float>(row) + begin);
    }
  });
  return Progress::kDone;
}

#endif  // HWY_NATIVE_FMA

void fill_swiglu([[maybe_unused]] OpTable& table) {
#if HWY_NATIVE_FMA
  table.swiglu = run_swiglu;
#endif
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tessera
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
HWY_EXPORT(fill_swiglu);
void install_swiglu(OpTable& table) { HWY_DYNAMIC_DISPATCH(fill_swiglu)(table); }
}  // namespace tessera
#endif
