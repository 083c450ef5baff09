// From sums to the output of a linear op, once per Highway target: bias, activation, rounding, the
// edge of N.

// Included once per target: the guard toggles.
#if defined(TESSERA_CPU_SIMD_FINISH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_CPU_SIMD_FINISH_INL_H_
#undef TESSERA_CPU_SIMD_FINISH_INL_H_
#else
#define TESSERA_CPU_SIMD_FINISH_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/cpu/simd/activation_inl.h"
#include "kernels/cpu/simd/dot_inl.h"
#include "kernels/ops/linear.h"

HWY_BEFORE_NAMESPACE();
#if HWY_NATIVE_FMA
namespace tessera {
namespace HWY_NAMESPACE {

HWY_INLINE void store_output(FloatVec value, const Tensor& out, int64_t row, int64_t column) {
  if (out.dtype == DType::kF32) {
    hn::StoreU(value, FloatTag(), out.row<float>(row) + column);
  } else {
    store_bf16(round_to_bf16(value), out.row<uint16_t>(row) + column);
  }
}

// The first `count` lanes: the last columns of an output whose width is no multiple of a vector.
inline void store_some(FloatVec value, int64_t count, const Tensor& out, int64_t row,
                       int64_t column) {
  HWY_ALIGN float values[kLanes];
  HWY_ALIGN uint16_t rounded[kLanes];
  if (out.dtype == DType::kF32) {
    hn::Store(value, FloatTag(), values);
    std::memcpy(out.row<float>(row) + column, values, static_cast<size_t>(count) * sizeof(float));
  } else {
    store_bf16(round_to_bf16(value), rounded);
    std::memcpy(out.row<uint16_t>(row) + column, rounded,
                static_cast<size_t>(count) * sizeof(uint16_t));
  }
}

// Sums from `acc` on and their biases, of which there may be fewer than a vector.
HWY_INLINE FloatVec with_bias(const float* acc, const float* bias, int64_t count) {
  const FloatTag d;
  const FloatVec sum = hn::Load(d, acc);
  if (bias == nullptr) return sum;
  if (count >= kLanes) return hn::Add(sum, hn::LoadU(d, bias));
  HWY_ALIGN float padded[kLanes] = {};
  std::memcpy(padded, bias, static_cast<size_t>(count) * sizeof(float));
  return hn::Add(sum, hn::Load(d, padded));
}

template <class Function>
void finish_rows(const Linear& args, int64_t row_begin, int64_t rows, int64_t first,
                 const float* acc, int64_t acc_stride) {
  const int64_t columns = std::min(acc_stride, args.w.N - first);
  const float* bias = args.bias.empty() ? nullptr : args.bias.as<const float>() + first;
  for (int64_t row = 0; row < rows; ++row) {
    const float* sums = acc + row * acc_stride;
    for (int64_t c = 0; c < columns; c += kLanes) {
      const int64_t count = columns - c;
      const FloatVec out =
          Function()(with_bias(sums + c, bias == nullptr ? nullptr : bias + c, count));
      if (count >= kLanes) {
        store_output(out, args.out, row_begin + row, first + c);
      } else {
        store_some(out, count, args.out, row_begin + row, first + c);
      }
    }
  }
}

template <class Function>
void finish_gated_rows(const Linear& args, int64_t row_begin, int64_t rows, int64_t first,
                       const float* acc, int64_t acc_stride) {
  const int64_t sums = std::min(acc_stride, args.w.N - first);
  const int64_t begin = first / 2, end = std::min(begin + sums / 2, args.out.dim(1));
  const float* bias = args.bias.empty() ? nullptr : args.bias.as<const float>() + first;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t f = begin; f < end; f += kLanes) {
      const int64_t at = (f - begin) / kPanelColumns * 2 * kPanelColumns + f % kPanelColumns;
      const auto half = [&](int64_t c) HWY_ATTR {
        return with_bias(acc + row * acc_stride + c, bias == nullptr ? nullptr : bias + c, kLanes);
      };
      const FloatVec out = hn::Mul(Function()(half(at)), half(at + kPanelColumns));
      if (end - f >= kLanes) {
        store_output(out, args.out, row_begin + row, f);
      } else {
        store_some(out, end - f, args.out, row_begin + row, f);
      }
    }
  }
}

struct Identity {
  HWY_INLINE FloatVec operator()(FloatVec x) const { return x; }
};

using FinishRows = void (*)(const Linear&, int64_t, int64_t, int64_t, const float*, int64_t);

inline FinishRows finish_of(const Linear& args) {
  if (!args.activation.has_value()) return finish_rows<Identity>;
  return with_activation(*args.activation, [&](auto function) -> FinishRows {
    using Function = decltype(function);
    return args.gated ? finish_gated_rows<Function> : finish_rows<Function>;
  });
}

// See FinishColumns in linear_finish.h.
inline void finish_columns(const Linear& args, int64_t row_begin, int64_t rows, int64_t first,
                           const float* acc, int64_t acc_stride) {
  finish_of(args)(args, row_begin, rows, first, acc, acc_stride);
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera
#endif
HWY_AFTER_NAMESPACE();

#endif
