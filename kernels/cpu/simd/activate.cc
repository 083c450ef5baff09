// Element-wise activations. 20 to 40 vector operations per vector: bound by arithmetic on one core,
// by memory on all. Rows are cut into pieces so that one row is enough for several threads.
#include <algorithm>

#include "kernels/cpu/execution.h"
#include "kernels/cpu/simd/install.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/activate.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/cpu/simd/activation_inl.h"
#include "kernels/cpu/simd/rows_inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera {
namespace HWY_NAMESPACE {
namespace {

#if HWY_NATIVE_FMA

constexpr int64_t kPiece = 2048;  // columns per task

// `in` and `out` may be the same.
template <class Function, class Out>
void activate_piece(const float* in, int64_t count, Out* out) {
  const Function function;
  int64_t f = 0;
  for (; f + kLanes <= count; f += kLanes) store_row(function(load_row(in + f)), out + f);
  for (; f < count; ++f) store_one(function(in[f]), out + f);
}

template <class Function>
Progress run_function(Execution& execution, const Activate& a) {
  const int64_t F = a.out.dim(1);
  const int64_t pieces = (F + kPiece - 1) / kPiece;
  execution.pool().parallel_for(a.out.dim(0) * pieces, [&](int64_t task, int) {
    const int64_t row = task / pieces, begin = task % pieces * kPiece;
    const int64_t count = std::min(kPiece, F - begin);
    const float* const in = a.in.row<float>(row) + begin;
    if (a.out.dtype == DType::kBf16) {
      activate_piece<Function>(in, count, a.out.row<Bf16>(row) + begin);
    } else {
      activate_piece<Function>(in, count, a.out.row<float>(row) + begin);
    }
  });
  return Progress::kDone;
}

Progress run_activate(Execution& execution, const Activate& a) {
  return with_activation(
      a.kind, [&](auto function) { return run_function<decltype(function)>(execution, a); });
}

#endif  // HWY_NATIVE_FMA

void fill_activate([[maybe_unused]] OpTable& table) {
#if HWY_NATIVE_FMA
  table.activate = run_activate;
#endif
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tessera
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
HWY_EXPORT(fill_activate);
void install_activate(OpTable& table) { HWY_DYNAMIC_DISPATCH(fill_activate)(table); }
}  // namespace tessera
#endif
