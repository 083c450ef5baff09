// Residual add with RMS norm or layer norm: two or three sweeps over a row, all but the first from
// cache. Bound by memory: a row of [T, D] is read twice (residual, delta) and written twice.
#include "kernels/cpu/execution.h"
#include "kernels/cpu/portable/row_tasks.h"
#include "kernels/cpu/reference/bounds.h"
#include "kernels/cpu/simd/install.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/norm.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/cpu/simd/rows_inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera {
namespace HWY_NAMESPACE {
namespace {

#if HWY_NATIVE_FMA

template <class Out>
void norm_row(float* HWY_RESTRICT residual, const float* HWY_RESTRICT delta, const AddRmsNorm& a,
              Out* HWY_RESTRICT out) {
  const int64_t D = a.gain.dim(0);
  const float* HWY_RESTRICT gain = a.gain.as<float>();
  const float inverse = inverse_rms(
      D, a.eps,
      [&](int64_t d) {
        FloatVec value = load_row(residual + d);
        if (delta == nullptr) return value;
        value = hn::Add(value, load_row(delta + d));
        store_row(value, residual + d);
        return value;
      },
      [&](int64_t d) {
        if (delta != nullptr) residual[d] += delta[d];
        return residual[d];
      });
  const FloatVec factor = hn::Set(FloatTag(), inverse);
  int64_t d = 0;
  for (; d + kLanes <= D; d += kLanes) {
    store_row(hn::Mul(hn::Mul(load_row(residual + d), factor), load_row(gain + d)), out + d);
  }
  for (; d < D; ++d) store_one(residual[d] * inverse * gain[d], out + d);
}

Progress run_add_rms_norm(Execution& execution, const AddRmsNorm& a) {
  const int32_t* rows = a.rows.as<int32_t>();
  for_each_row(execution, a.normed.dim(0), 16 * a.gain.dim(0), [&](int64_t r, int) {
    float* residual = a.residual.row<float>(rows == nullptr ? r : rows[r]);
    const float* delta = a.delta.empty() ? nullptr : a.delta.row<float>(r);
    if (a.normed.dtype == DType::kBf16) {
      norm_row(residual, delta, a, a.normed.row<Bf16>(r));
    } else {
      norm_row(residual, delta, a, a.normed.row<float>(r));
    }
  });
  return Progress::kDone;
}

// The operands of one row; null where they are absent.
struct LayerNormRow {
  const float* delta;
  const float* gate;
  const float* gain;
  const float* bias;
  const float* scale;
  const float* shift;
};

// residual += gate * delta, and the sum of it.
float add_and_sum(float* HWY_RESTRICT x, const LayerNormRow& in, int64_t D) {
  const float* HWY_RESTRICT delta = in.delta;
  const float* HWY_RESTRICT gate = in.gate;
  if (delta == nullptr) {
    return lane_total(
        D, [&](VectorSum& sum, int lane, int64_t d) HWY_ATTR { sum.add(lane, load_row(x + d)); },
        [&](LaneSum& sum, int64_t d) HWY_ATTR { sum.add(d, x[d]); });
  }
  return lane_total(
      D,
      [&](VectorSum& sum, int lane, int64_t d) HWY_ATTR {
        FloatVec value = load_row(x + d);
        value = gate == nullptr ? hn::Add(value, load_row(delta + d))
                                : hn::MulAdd(load_row(gate + d), load_row(delta + d), value);
        store_row(value, x + d);
        sum.add(lane, value);
      },
      [&](LaneSum& sum, int64_t d) HWY_ATTR {
        x[d] = gate == nullptr ? x[d] + delta[d] : std::fma(gate[d], delta[d], x[d]);
        sum.add(d, x[d]);
      });
}

float square_sum(const float* HWY_RESTRICT x, float mean, int64_t D) {
  const FloatVec means = hn::Set(FloatTag(), mean);
  return lane_total(
      D,
      [&](VectorSum& sum, int lane, int64_t d) HWY_ATTR {
        const FloatVec away = hn::Sub(load_row(x + d), means);
        sum.add_product(lane, away, away);
      },
      [&](LaneSum& sum, int64_t d) HWY_ATTR { sum.add_product(d, x[d] - mean, x[d] - mean); });
}

// out = the row normalised, scaled and shifted; kModulated and kAffine say what there is.
template <bool kAffine, bool kModulated, class Out>
void finish_layer_norm(const float* HWY_RESTRICT x, float mean, float inverse,
                       const LayerNormRow& in, int64_t D, Out* HWY_RESTRICT out) {
  const FloatTag tag;
  const FloatVec means = hn::Set(tag, mean), factor = hn::Set(tag, inverse);
  const FloatVec zero = hn::Zero(tag), one = hn::Set(tag, 1.0f);
  int64_t d = 0;
  for (; d + kLanes <= D; d += kLanes) {
    FloatVec y = hn::Mul(hn::Sub(load_row(x + d), means), factor);
    if constexpr (kAffine) {
      y = hn::MulAdd(y, in.gain == nullptr ? one : load_row(in.gain + d),
                     in.bias == nullptr ? zero : load_row(in.bias + d));
    }
    if constexpr (kModulated) {
      y = hn::MulAdd(y, in.scale == nullptr ? one : hn::Add(one, load_row(in.scale + d)),
                     in.shift == nullptr ? zero : load_row(in.shift + d));
    }
    store_row(y, out + d);
  }
  for (; d < D; ++d) {
    float y = (x[d] - mean) * inverse;
    if constexpr (kAffine) {
      y = std::fma(y, in.gain == nullptr ? 1.0f : in.gain[d],
                   in.bias == nullptr ? 0.0f : in.bias[d]);
    }
    if constexpr (kModulated) {
      y = std::fma(y, in.scale == nullptr ? 1.0f : 1.0f + in.scale[d],
                   in.shift == nullptr ? 0.0f : in.shift[d]);
    }
    store_one(y, out + d);
  }
}

template <class Out>
void layer_norm_row(const AddLayerNorm& a, int64_t r, Out* out) {
  const int64_t D = a.normed.dim(1);
  float* const x = row_of<float>(a.residual, a.rows, r);
  const LayerNormRow in = {.delta = a.delta.empty() ? nullptr : a.delta.row<float>(r),
                           .gate = modulation_row(a.gate, a.row_mod, r),
                           .gain = a.gain.as<float>(),
                           .bias = a.bias.as<float>(),
                           .scale = modulation_row(a.scale, a.row_mod, r),
                           .shift = modulation_row(a.shift, a.row_mod, r)};
  const float sum = add_and_sum(x, in, D);
  if (!a.normalise) return convert_row(x, D, out);
  const float mean = sum / static_cast<float>(D);
  const float inverse = 1.0f / std::sqrt(square_sum(x, mean, D) / static_cast<float>(D) + a.eps);
  const bool affine = in.gain != nullptr || in.bias != nullptr;
  const bool modulated = in.scale != nullptr || in.shift != nullptr;
  const auto finish =
      affine ? modulated ? finish_layer_norm<true, true, Out> : finish_layer_norm<true, false, Out>
      : modulated ? finish_layer_norm<false, true, Out>
                  : finish_layer_norm<false, false, Out>;
  finish(x, mean, inverse, in, D, out);
}

Progress run_add_layer_norm(Execution& execution, const AddLayerNorm& a) {
  const int64_t row_bytes = (a.delta.empty() ? 8 : 16) * a.normed.dim(1);
  for_each_row(execution, a.normed.dim(0), row_bytes, [&](int64_t r, int) {
    if (a.normed.dtype == DType::kBf16) {
      layer_norm_row(a, r, a.normed.row<Bf16>(r));
    } else {
      layer_norm_row(a, r, a.normed.row<float>(r));
    }
  });
  return Progress::kDone;
}

#endif  // HWY_NATIVE_FMA

void fill_norm([[maybe_unused]] OpTable& table) {
#if HWY_NATIVE_FMA
  table.add_rms_norm = run_add_rms_norm;
  table.add_layer_norm = run_add_layer_norm;
#endif
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tessera
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
HWY_EXPORT(fill_norm);
void install_norm(OpTable& table) { HWY_DYNAMIC_DISPATCH(fill_norm)(table); }
}  // namespace tessera
#endif
