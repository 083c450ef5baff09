// The gated linear recurrence. Rows follow one another, channels do not: a task takes a piece of
// the channels through every segment of the step, so that segments that build on one another need
// no order between tasks. Two exponentials an element: bound by arithmetic on one core.
#include "kernels/ops/recurrence.h"

#include <algorithm>

#include "kernels/cpu/execution.h"
#include "kernels/cpu/simd/install.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/recurrence.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/cpu/simd/math_inl.h"
#include "kernels/cpu/simd/rows_inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera {
namespace HWY_NAMESPACE {
namespace {

#if HWY_NATIVE_FMA

constexpr int64_t kPiece = 64;  // channels per task: four cache lines of each operand

// The operands of one row from the piece's first channel on.
template <class Out>
struct ScanRow {
  const float* HWY_RESTRICT x;
  const float* HWY_RESTRICT z;
  const float* HWY_RESTRICT g;
  Out* HWY_RESTRICT out;
};

// `after` may be `before`.
template <class Out>
void advance(const ScanRow<Out>& row, int64_t count, const float* before, float* after) {
  const FloatTag d;
  const FloatVec one = hn::Set(d, 1.0f);
  int64_t c = 0;
  for (; c + kLanes <= count; c += kLanes) {
    const FloatVec x = load_row(row.x + c), g = load_row(row.g + c);
    const FloatVec keep = hn::Div(one, hn::Add(one, exp_vector(d, hn::Neg(load_row(row.z + c)))));
    const FloatVec h = hn::MulAdd(keep, hn::Sub(load_row(before + c), x), x);
    const FloatVec gate = hn::Div(g, hn::Add(one, exp_vector(d, hn::Neg(g))));
    store_row(h, after + c);
    store_row(hn::Mul(h, gate), row.out + c);
  }
  for (; c < count; ++c) {
    const float keep = 1.0f / (1.0f + exp_f32(-row.z[c]));
    const float h = std::fma(keep, before[c] - row.x[c], row.x[c]);
    after[c] = h;
    store_one(h * silu(row.g[c]), row.out + c);
  }
}

template <class Out>
void scan_segment(const GatedScan& a, const StateSegment& segment, int64_t begin, int64_t count) {
  const int64_t C = a.states.dim(1);
  const auto state_of = [&](int32_t slot) { return a.states.row<float>(slot) + begin; };
  const bool tree = segment.node_begin >= 0;
  const int32_t* slots = tree ? a.node_slots.as<int32_t>() + segment.node_begin : nullptr;
  const int32_t* parents = tree ? a.parents.as<int32_t>() + segment.node_begin : nullptr;
  // The root may write over the state that it began from.
  float first[kPiece] = {}, current[kPiece];
  if (segment.from >= 0) std::copy_n(state_of(segment.from), count, first);
  std::copy_n(first, kPiece, current);
  for (int32_t row = 0; row < segment.row_count; ++row) {
    const float* in = a.inputs.row<float>(segment.row_begin + row) + begin;
    const ScanRow<Out> operands{in, in + C, in + 2 * C,
                                a.out.row<Out>(segment.row_begin + row) + begin};
    if (tree) {
      const float* before = parents[row] < 0 ? first : state_of(slots[parents[row]]);
      advance(operands, count, before, state_of(slots[row]));
    } else {
      advance(operands, count, current, current);
    }
  }
  if (!tree) std::copy_n(current, count, state_of(segment.to));
}

Progress run_gated_scan(Execution& execution, const GatedScan& a) {
  const int64_t C = a.states.dim(1);
  execution.pool().parallel_for((C + kPiece - 1) / kPiece, [&](int64_t piece, int) {
    const int64_t begin = piece * kPiece, count = std::min(kPiece, C - begin);
    for (int which = 0; which < a.segment_count; ++which) {
      const StateSegment& segment = a.segments.as<StateSegment>()[which];
      if (a.out.dtype == DType::kBf16) {
        scan_segment<Bf16>(a, segment, begin, count);
      } else {
        scan_segment<float>(a, segment, begin, count);
      }
    }
  });
  return Progress::kDone;
}

#endif  // HWY_NATIVE_FMA

void fill_recurrence([[maybe_unused]] OpTable& table) {
#if HWY_NATIVE_FMA
  table.gated_scan = run_gated_scan;
#endif
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tessera
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
HWY_EXPORT(fill_recurrence);
void install_recurrence(OpTable& table) { HWY_DYNAMIC_DISPATCH(fill_recurrence)(table); }
}  // namespace tessera
#endif
