// Sums over pairs of rows: rows on all threads, then the few row sums on the lane's. Bound by
// memory.
#include "kernels/cpu/execution.h"
#include "kernels/cpu/portable/row_tasks.h"
#include "kernels/cpu/reference/bounds.h"
#include "kernels/cpu/simd/install.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/probe.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/cpu/simd/rows_inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera {
namespace HWY_NAMESPACE {
namespace {

#if HWY_NATIVE_FMA

struct AbsoluteSums {
  static constexpr int kSums = 2;
  static HWY_INLINE void add(VectorSum* sums, int lane, FloatVec a, FloatVec b) {
    sums[0].add(lane, hn::Abs(hn::Sub(a, b)));
    sums[1].add(lane, hn::Abs(b));
  }
  static void add_one(LaneSum* sums, int64_t d, float a, float b) {
    sums[0].add(d, std::abs(a - b));
    sums[1].add(d, std::abs(b));
  }
};

struct ProductSums {
  static constexpr int kSums = 3;
  static HWY_INLINE void add(VectorSum* sums, int lane, FloatVec a, FloatVec b) {
    sums[0].add_product(lane, a, b);
    sums[1].add_product(lane, a, a);
    sums[2].add_product(lane, b, b);
  }
  static void add_one(LaneSum* sums, int64_t d, float a, float b) {
    sums[0].add_product(d, a, b);
    sums[1].add_product(d, a, a);
    sums[2].add_product(d, b, b);
  }
};

template <class Sums>
void sum_row(const PairRows& rows, int64_t D, float* out) {
  VectorSum vectors[Sums::kSums];
  int64_t d = 0;
  for (; d + 16 <= D; d += 16) {
    for (int lane = 0; lane < 16; lane += kLanes) {
      Sums::add(vectors, lane, load_row(rows.a + d + lane), load_row(rows.b + d + lane));
    }
  }
  LaneSum sums[Sums::kSums];
  for (int j = 0; j < Sums::kSums; ++j) sums[j] = vectors[j].lane_sum();
  for (; d < D; ++d) Sums::add_one(sums, d, rows.a[d], rows.b[d]);
  for (int j = 0; j < Sums::kSums; ++j) out[j] = sums[j].total();
}

// The pairs of all segments, one after another: a pair's index and what its rows sum to.
template <class Sums>
struct PairSum {
  int32_t pair;
  float sum[Sums::kSums];
};

template <class Sums>
Progress run_probe(Execution& execution, const RowPairs& pairs, const Tensor& out) {
  const int64_t S = out.dim(0), D = pairs.a.dim(1);
  int64_t count = 0;
  for (int64_t s = 0; s < S; ++s) {
    CHECK_GE(pairs.segments.row<int32_t>(s)[1], 0);
    count += pairs.segments.row<int32_t>(s)[1];
  }
  auto* const list = reinterpret_cast<PairSum<Sums>*>(
      execution.scratch(0, static_cast<size_t>(count) * sizeof(PairSum<Sums>)).data());
  PairSum<Sums>* next = list;
  for (int64_t s = 0; s < S; ++s) {
    const int32_t* segment = pairs.segments.row<int32_t>(s);
    for (int32_t k = 0; k < segment[1]; ++k) next++->pair = segment[0] + k;
  }
  for_each_row(execution, count, 8 * D, [&](int64_t index, int) {
    sum_row<Sums>(pair_rows(pairs, list[index].pair), D, list[index].sum);
  });
  next = list;
  for (int64_t s = 0; s < S; ++s) {
    LaneSum total[Sums::kSums];
    for (int64_t k = 0; k < pairs.segments.row<int32_t>(s)[1]; ++k, ++next) {
      for (int j = 0; j < Sums::kSums; ++j) total[j].add(k, next->sum[j]);
    }
    for (int j = 0; j < Sums::kSums; ++j) out.row<float>(s)[j] = total[j].total();
  }
  return Progress::kDone;
}

Progress run_relative_l1(Execution& execution, const RelativeL1& a) {
  return run_probe<AbsoluteSums>(execution, a.pairs, a.out);
}

Progress run_dot_products(Execution& execution, const DotProducts& a) {
  return run_probe<ProductSums>(execution, a.pairs, a.out);
}

#endif  // HWY_NATIVE_FMA

void fill_probe([[maybe_unused]] OpTable& table) {
#if HWY_NATIVE_FMA
  table.relative_l1 = run_relative_l1;
  table.dot_products = run_dot_products;
#endif
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tessera
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
HWY_EXPORT(fill_probe);
void install_probe(OpTable& table) { HWY_DYNAMIC_DISPATCH(fill_probe)(table); }
}  // namespace tessera
#endif
