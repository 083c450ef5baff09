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

// Finishes and stores one vector of one row.
template <class Function>
HWY_INLINE void finish_vector(FloatVec sum, const float* bias, const Tensor& out, int64_t row,
                              int64_t column) {
  const FloatTag d;
  if (bias != nullptr) sum = hn::Add(sum, hn::LoadU(d, bias));
  sum = Function()(sum);
  if (out.dtype == DType::kF32) {
    hn::StoreU(sum, d, out.row<float>(row) + column);
  } else {
    store_bf16(round_to_bf16(sum), out.row<uint16_t>(row) + column);
  }
}

// The same for the last columns of an N that is no multiple of a vector.
template <class Function>
void finish_partial(const float* acc, const float* bias, int count, const Tensor& out, int64_t row,
                    int64_t column) {
  const FloatTag d;
  HWY_ALIGN float padded_bias[kLanes] = {};
  HWY_ALIGN float sums[kLanes];
  HWY_ALIGN uint16_t rounded[kLanes];
  if (bias != nullptr) std::memcpy(padded_bias, bias, static_cast<size_t>(count) * sizeof(float));
  FloatVec sum = hn::Load(d, acc);
  if (bias != nullptr) sum = hn::Add(sum, hn::Load(d, padded_bias));
  sum = Function()(sum);
  if (out.dtype == DType::kF32) {
    hn::Store(sum, d, sums);
    std::memcpy(out.row<float>(row) + column, sums, static_cast<size_t>(count) * sizeof(float));
  } else {
    store_bf16(round_to_bf16(sum), rounded);
    std::memcpy(out.row<uint16_t>(row) + column, rounded,
                static_cast<size_t>(count) * sizeof(uint16_t));
  }
}

template <class Function>
void finish_rows(const Linear& args, int64_t row_begin, int64_t rows, int64_t first,
                 const float* acc, int64_t acc_stride) {
  const int64_t columns = std::min(acc_stride, args.w.N - first);
  const float* bias = args.bias.empty() ? nullptr : args.bias.as<const float>() + first;
  for (int64_t row = 0; row < rows; ++row) {
    const float* sums = acc + row * acc_stride;
    int64_t c = 0;
    for (; c + kLanes <= columns; c += kLanes) {
      finish_vector<Function>(hn::Load(FloatTag(), sums + c), bias == nullptr ? nullptr : bias + c,
                              args.out, row_begin + row, first + c);
    }
    if (c < columns) {
      finish_partial<Function>(sums + c, bias == nullptr ? nullptr : bias + c,
                               static_cast<int>(columns - c), args.out, row_begin + row, first + c);
    }
  }
}

// See FinishColumns in linear_finish.h.
inline void finish_columns(const Linear& args, int64_t row_begin, int64_t rows, int64_t first,
                           const float* acc, int64_t acc_stride) {
  const auto finish = [&]() {
    if (!args.activation.has_value()) return finish_rows<Identity>;
    switch (*args.activation) {
      case Activation::kSilu:
        return finish_rows<Silu>;
      case Activation::kGelu:
        return finish_rows<Gelu>;
      case Activation::kGeluTanh:
        return finish_rows<GeluTanh>;
      case Activation::kQuickGelu:
        return finish_rows<QuickGelu>;
      case Activation::kMish:
        return finish_rows<Mish>;
    }
    CHECK(false);
  };
  finish()(args, row_begin, rows, first, acc, acc_stride);
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera
#endif
HWY_AFTER_NAMESPACE();

#endif
