// exp and the activations of kernels/cpu/reference/math.h on vectors, once per Highway target, bit
// for bit. Any compute thread, in FlushSubnormals.

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

// x / (1 + e^y).
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V over_one_plus_exp(D d, V x, V y) {
  namespace hn = hwy::HWY_NAMESPACE;
  return hn::Div(x, hn::Add(hn::Set(d, 1.0f), exp_vector(d, y)));
}

template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V silu_vector(D d, V x) {
  return over_one_plus_exp(d, x, hwy::HWY_NAMESPACE::Neg(x));
}

template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V quick_gelu_vector(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  return over_one_plus_exp(d, x, hn::Mul(hn::Set(d, -0x1.b3b646p+0f), x));
}

template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V gelu_tanh_vector(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V inner = hn::MulAdd(hn::Mul(hn::Set(d, 0x1.6e4e26p-5f), x), hn::Mul(x, x), x);
  return over_one_plus_exp(d, x, hn::Mul(hn::Set(d, -0x1.988454p+0f), inner));
}

template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V gelu_vector(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V far = hn::Set(d, 14.0f);
  const V magnitude = hn::Abs(x);
  const V t = hn::IfThenElse(hn::Gt(magnitude, far), far, magnitude);
  const V one = hn::Set(d, 1.0f);
  const V s = hn::Div(one, hn::MulAdd(hn::Set(d, 0x1.0a3d7p-2f), t, one));
  V q = hn::Set(d, 0x1.fa339ep-6f);
  q = hn::MulAdd(q, s, hn::Set(d, -0x1.3ce874p-3f));
  q = hn::MulAdd(q, s, hn::Set(d, 0x1.0599p-2f));
  q = hn::MulAdd(q, s, hn::Set(d, -0x1.3e89a8p-3f));
  q = hn::MulAdd(q, s, hn::Set(d, 0x1.502f32p-3f));
  q = hn::MulAdd(q, s, hn::Set(d, 0x1.96abc4p-5f));
  q = hn::MulAdd(q, s, hn::Set(d, 0x1.a77dbp-4f));
  q = hn::MulAdd(q, s, hn::Set(d, 0x1.a5be8ep-4f));
  q = hn::MulAdd(q, s, hn::Set(d, 0x1.a9028cp-4f));
  const V minus_half = hn::Set(d, -0.5f);
  const V square = hn::Mul(t, t);
  const V rest = hn::MulSub(t, t, square);
  const V e = exp_down_vector(d, hn::Mul(minus_half, square));
  const V tail = hn::Mul(hn::MulAdd(e, hn::Mul(minus_half, rest), e), hn::Mul(q, s));
  return hn::Mul(x, hn::IfThenElse(hn::Gt(x, hn::Zero(d)), hn::Sub(one, tail), tail));
}

template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V mish_vector(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V highest = hn::Set(d, 20.0f);
  const V e = exp_vector(d, hn::IfThenElse(hn::Gt(x, highest), highest, x));
  const V n = hn::MulAdd(e, e, hn::Add(e, e));
  return hn::Mul(x, hn::Div(n, hn::Add(n, hn::Set(d, 2.0f))));
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera
#endif
HWY_AFTER_NAMESPACE();

#endif
