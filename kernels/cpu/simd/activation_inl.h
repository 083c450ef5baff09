// The activations of kernels/ops/activation.h as functions of a vector and of one element, with the
// same bits, once per Highway target. Any compute thread, in FlushSubnormals.

// Included once per target: the guard toggles.
#if defined(TESSERA_CPU_SIMD_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_CPU_SIMD_ACTIVATION_INL_H_
#undef TESSERA_CPU_SIMD_ACTIVATION_INL_H_
#else
#define TESSERA_CPU_SIMD_ACTIVATION_INL_H_
#endif

#include "hwy/highway.h"
#include "kernels/cpu/reference/math.h"
#include "kernels/cpu/simd/dot_inl.h"
#include "kernels/cpu/simd/math_inl.h"
#include "kernels/ops/activation.h"

HWY_BEFORE_NAMESPACE();
#if HWY_NATIVE_FMA
namespace tessera {
namespace HWY_NAMESPACE {

struct Silu {
  HWY_INLINE FloatVec operator()(FloatVec x) const { return silu_vector(FloatTag(), x); }
  HWY_INLINE float operator()(float x) const { return silu(x); }
};
struct Gelu {
  HWY_INLINE FloatVec operator()(FloatVec x) const { return gelu_vector(FloatTag(), x); }
  HWY_INLINE float operator()(float x) const { return gelu(x); }
};
struct GeluTanh {
  HWY_INLINE FloatVec operator()(FloatVec x) const { return gelu_tanh_vector(FloatTag(), x); }
  HWY_INLINE float operator()(float x) const { return gelu_tanh(x); }
};
struct QuickGelu {
  HWY_INLINE FloatVec operator()(FloatVec x) const { return quick_gelu_vector(FloatTag(), x); }
  HWY_INLINE float operator()(float x) const { return quick_gelu(x); }
};
struct Mish {
  HWY_INLINE FloatVec operator()(FloatVec x) const { return mish_vector(FloatTag(), x); }
  HWY_INLINE float operator()(float x) const { return mish(x); }
};

// use(function of `kind`).
template <class Use>
auto with_activation(Activation kind, Use&& use) {
  switch (kind) {
    case Activation::kSilu:
      return use(Silu());
    case Activation::kGelu:
      return use(Gelu());
    case Activation::kGeluTanh:
      return use(GeluTanh());
    case Activation::kQuickGelu:
      return use(QuickGelu());
    case Activation::kMish:
      return use(Mish());
  }
  CHECK(false);
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera
#endif
HWY_AFTER_NAMESPACE();

#endif
