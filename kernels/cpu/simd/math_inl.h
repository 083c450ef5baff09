// exp of kernels/cpu/reference/math.h on vectors, once per Highway target, bit for bit. Any compute
// thread, in FlushSubnormals.

// Included once per target: the guard toggles.
#if defined(TESSERA_CPU_SIMD_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_CPU_SIMD_MATH_INL_H_
#undef TESSERA_CPU_SIMD_MATH_INL_H_
#else
#define TESSERA_CPU_SIMD_MATH_INL_H_
#endif

#include <cstdint>
#include <limits>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
#if HWY_NATIVE_FMA
namespace tessera {
namespace HWY_NAMESPACE {

// What exp of x becomes before it is scaled by a power of two. D is a tag of f32.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
struct ExpParts {
  V p;        // in [0.7, 1.5]
  V shifted;  // 1.5 * 2^23 + n: the low bits hold the exponent n
};

template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE ExpParts<D> reduce_exp(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V round = hn::Set(d, 0x1.8p+23f);
  const V shifted = hn::MulAdd(x, hn::Set(d, 0x1.715476p+0f), round);
  const V n = hn::Sub(shifted, round);
  V r = hn::MulAdd(n, hn::Set(d, -0x1.62e43p-1f), x);
  r = hn::MulAdd(n, hn::Set(d, 0x1.05c61p-29f), r);
  V p = hn::Set(d, 0x1.6a23dp-10f);
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.123a2p-7f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.5558f2p-5f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.555492p-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 0x1.fffffcp-2f));
  p = hn::Add(hn::MulAdd(p, hn::Mul(r, r), r), hn::Set(d, 1.0f));
  return {p, shifted};
}

// exp_f32 of math.h for any x.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V exp_vector(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::RebindToSigned<D> di;
  const V highest = hn::Set(d, 0x1.62e42ep+6f);
  const V lowest = hn::Set(d, -0x1.5d589ep+6f);
  const auto over = hn::Gt(x, highest);
  const auto under = hn::Lt(x, lowest);
  const ExpParts<D> parts =
      reduce_exp(d, hn::IfThenElse(under, lowest, hn::IfThenElse(over, highest, x)));
  const auto exponent =
      hn::Sub(hn::BitCast(di, parts.shifted), hn::Set(di, 0x4b400000));  // 1.5 * 2^23
  const auto half = hn::ShiftRight<1>(exponent);
  const auto bias = hn::Set(di, 127);
  const V low = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(half, bias)));
  const V high = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::Sub(exponent, half), bias)));
  const V y = hn::Mul(hn::Mul(parts.p, low), high);
  const V infinite = hn::Set(d, std::numeric_limits<float>::infinity());
  return hn::IfThenElse(over, infinite, hn::IfThenZeroElse(under, y));
}

// The same for x <= 0 or NaN: the result is a normal number in (0, 1], so the scaling is one
// addition to its exponent; the bits of `shifted` above the exponent's eight leave with the shift.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V exp_down_vector(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::RebindToSigned<D> di;
  const auto under = hn::Lt(x, hn::Set(d, -0x1.5d589ep+6f));
  const ExpParts<D> parts = reduce_exp(d, x);
  const auto scaled =
      hn::Add(hn::BitCast(di, parts.p), hn::ShiftLeft<23>(hn::BitCast(di, parts.shifted)));
  return hn::IfThenZeroElse(under, hn::BitCast(d, scaled));
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera
#endif
HWY_AFTER_NAMESPACE();

#endif
