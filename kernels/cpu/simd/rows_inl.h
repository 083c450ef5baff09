// Rows of elements on vectors, once per Highway target: sums over the 16 lanes of
// kernels/cpu/reference/math.h and stores that convert. Any compute thread, in FlushSubnormals.

// Included once per target: the guard toggles.
#if defined(TESSERA_CPU_SIMD_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_CPU_SIMD_ROWS_INL_H_
#undef TESSERA_CPU_SIMD_ROWS_INL_H_
#else
#define TESSERA_CPU_SIMD_ROWS_INL_H_
#endif

#include <cmath>
#include <cstdint>

#include "hwy/highway.h"
#include "kernels/cpu/reference/math.h"
#include "kernels/cpu/simd/dot_inl.h"

HWY_BEFORE_NAMESPACE();
#if HWY_NATIVE_FMA
namespace tessera {
namespace HWY_NAMESPACE {

constexpr int kSumVectors = 16 / kLanes;

HWY_INLINE FloatVec load_row(const float* in) { return hn::LoadU(FloatTag(), in); }
HWY_INLINE void store_row(FloatVec value, float* out) { hn::StoreU(value, FloatTag(), out); }
HWY_INLINE void store_row(FloatVec value, Bf16* out) {
  store_bf16(round_to_bf16(value), reinterpret_cast<uint16_t*>(out));
}
HWY_INLINE void store_one(float value, float* out) { *out = value; }
HWY_INLINE void store_one(float value, Bf16* out) { *out = to_bf16(value); }

// out = in, converted.
template <class Out>
HWY_INLINE void convert_row(const float* in, int64_t count, Out* out) {
  int64_t d = 0;
  for (; d + kLanes <= count; d += kLanes) store_row(load_row(in + d), out + d);
  for (; d < count; ++d) store_one(in[d], out + d);
}

// A LaneSum whose lanes are vectors; `d` is a multiple of kLanes.
struct VectorSum {
  FloatVec lanes[kSumVectors];

  HWY_INLINE VectorSum() {
    for (FloatVec& one : lanes) one = hn::Zero(FloatTag());
  }
  HWY_INLINE void add(int64_t d, FloatVec value) {
    FloatVec& lane = lanes[d / kLanes % kSumVectors];
    lane = hn::Add(lane, value);
  }
  HWY_INLINE void add_product(int64_t d, FloatVec a, FloatVec b) {
    FloatVec& lane = lanes[d / kLanes % kSumVectors];
    lane = hn::MulAdd(a, b, lane);
  }
  // To go on with single elements, and for the total.
  HWY_INLINE LaneSum lane_sum() const {
    LaneSum sum;
    for (int vector = 0; vector < kSumVectors; ++vector) {
      hn::StoreU(lanes[vector], FloatTag(), sum.lane.data() + vector * kLanes);
    }
    return sum;
  }
};

// The total of a LaneSum over D elements: add_vector(sum, lane, d) adds elements [d, d + kLanes) to
// the lanes from `lane` on, add_one(sum, d) a single one.
template <class AddVector, class AddOne>
HWY_INLINE float lane_total(int64_t D, AddVector&& add_vector, AddOne&& add_one) {
  VectorSum vectors;
  int64_t d = 0;
  for (; d + 16 <= D; d += 16) {
    for (int lane = 0; lane < 16; lane += kLanes) add_vector(vectors, lane, d + lane);
  }
  LaneSum sum = vectors.lane_sum();
  for (; d < D; ++d) add_one(sum, d);
  return sum.total();
}

// 1 / sqrt(mean of squares + eps) of D values that value_at(d) gives as vectors and one_at(d)
// singly.
template <class ValueAt, class OneAt>
HWY_INLINE float inverse_rms(int64_t D, float eps, ValueAt&& value_at, OneAt&& one_at) {
  const float squares = lane_total(
      D,
      [&](VectorSum& sum, int lane, int64_t d) HWY_ATTR {
        const FloatVec value = value_at(d);
        sum.add_product(lane, value, value);
      },
      [&](LaneSum& sum, int64_t d) HWY_ATTR {
        const float value = one_at(d);
        sum.add_product(d, value, value);
      });
  return 1.0f / std::sqrt(squares / static_cast<float>(D) + eps);
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera
#endif
HWY_AFTER_NAMESPACE();

#endif
