// The picture decoder's companions of linear. im2col copies runs of neighbouring pixels; a group
// norm reads the picture twice, once for the statistics (each block of pixels a second time from
// the L2 cache) and once to apply them. Both are bound by memory.
#include <algorithm>
#include <cstring>

#include "kernels/cpu/execution.h"
#include "kernels/cpu/portable/row_tasks.h"
#include "kernels/cpu/reference/group_statistics.h"
#include "kernels/cpu/simd/install.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/conv.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/cpu/simd/math_inl.h"
#include "kernels/cpu/simd/rows_inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera {
namespace HWY_NAMESPACE {
namespace {

#if HWY_NATIVE_FMA

HWY_INLINE void copy_elements(const float* in, int64_t count, Bf16* out) {
  convert_row(in, count, out);
}
template <class Element>
HWY_INLINE void copy_elements(const Element* in, int64_t count, Element* out) {
  std::memcpy(out, in, static_cast<size_t>(count) * sizeof(Element));
}

// The window of output pixel (y, x): `kernel` runs of pixels of one input row each. Left and right
// of the picture stand zeros.
template <class In, class Out>
void copy_window(const Im2Col& a, int64_t y, int64_t x, Out* out) {
  const int64_t C = a.in.dim(1), reach = a.kernel / 2, shrink = a.twice ? 2 : 1;
  const int64_t height = shrink * a.height, width = shrink * a.width;
  const int64_t left = std::max<int64_t>(0, x - reach), right = std::min(width, x + reach + 1);
  const bool whole_runs = !a.twice && a.in.stride[0] == C;
  for (int64_t ky = y - reach; ky <= y + reach; ++ky, out += a.kernel * C) {
    if (ky < 0 || ky >= height) {
      std::memset(out, 0, static_cast<size_t>(a.kernel * C) * sizeof(Out));
      continue;
    }
    Out* const first = out + (left - (x - reach)) * C;
    std::memset(out, 0, static_cast<size_t>(first - out) * sizeof(Out));
    Out* const end = first + (right - left) * C;
    std::memset(end, 0, static_cast<size_t>(out + a.kernel * C - end) * sizeof(Out));
    const int64_t row = ky / shrink * a.width;
    if (whole_runs) {
      copy_elements(a.in.row<const In>(row + left), end - first, first);
      continue;
    }
    for (int64_t kx = left; kx < right; ++kx) {
      copy_elements(a.in.row<const In>(row + kx / shrink), C, first + (kx - left) * C);
    }
  }
}

template <class In, class Out>
Progress run_windows(Execution& execution, const Im2Col& a) {
  const int64_t width = (a.twice ? 2 : 1) * int64_t{a.width};
  const int64_t row_bytes = 2 * a.out.dim(1) * static_cast<int64_t>(sizeof(Out));
  for_each_row(execution, a.out.dim(0), row_bytes, [&](int64_t r, int) {
    copy_window<In>(a, (a.first + r) / width, (a.first + r) % width, a.out.row<Out>(r));
  });
  return Progress::kDone;
}

Progress run_im2col(Execution& execution, const Im2Col& a) {
  if (a.in.dtype == DType::kBf16) return run_windows<Bf16, Bf16>(execution, a);
  if (a.out.dtype == DType::kBf16) return run_windows<float, Bf16>(execution, a);
  return run_windows<float, float>(execution, a);
}

// Mean and square sum of every channel over pixels [begin, begin + pixels).
void block_statistics(const Tensor& in, int64_t begin, int64_t pixels, float* HWY_RESTRICT means,
                      float* HWY_RESTRICT squares) {
  const FloatTag tag;
  const int64_t C = in.dim(1);
  std::fill_n(means, C, 0.0f);
  std::fill_n(squares, C, 0.0f);
  for (int64_t p = begin; p < begin + pixels; ++p) {
    const float* HWY_RESTRICT x = in.row<const float>(p);
    int64_t c = 0;
    for (; c + kLanes <= C; c += kLanes) {
      store_row(hn::Add(load_row(means + c), load_row(x + c)), means + c);
    }
    for (; c < C; ++c) means[c] += x[c];
  }
  const float share = 1.0f / static_cast<float>(pixels);
  int64_t c = 0;
  for (; c + kLanes <= C; c += kLanes) {
    store_row(hn::Mul(load_row(means + c), hn::Set(tag, share)), means + c);
  }
  for (; c < C; ++c) means[c] *= share;
  for (int64_t p = begin; p < begin + pixels; ++p) {
    const float* HWY_RESTRICT x = in.row<const float>(p);
    for (c = 0; c + kLanes <= C; c += kLanes) {
      const FloatVec away = hn::Sub(load_row(x + c), load_row(means + c));
      store_row(hn::MulAdd(away, away, load_row(squares + c)), squares + c);
    }
    for (; c < C; ++c) {
      const float away = x[c] - means[c];
      squares[c] = std::fma(away, away, squares[c]);
    }
  }
}

// Per channel: what is taken off, what the rest is multiplied with. [C] each.
struct ChannelFactors {
  float* mean;
  float* gain;
};

// `x` and `out` may be the same.
template <bool kSilu, class Out>
void normalise_pixel(const float* x, const ChannelFactors& factors, const float* bias, int64_t C,
                     Out* out) {
  int64_t c = 0;
  for (; c + kLanes <= C; c += kLanes) {
    const FloatVec away = hn::Sub(load_row(x + c), load_row(factors.mean + c));
    FloatVec y = hn::MulAdd(away, load_row(factors.gain + c), load_row(bias + c));
    if constexpr (kSilu) y = silu_vector(FloatTag(), y);
    store_row(y, out + c);
  }
  for (; c < C; ++c) {
    const float y = std::fma(x[c] - factors.mean[c], factors.gain[c], bias[c]);
    store_one(kSilu ? silu(y) : y, out + c);
  }
}

template <bool kSilu, class Out>
void normalise_picture(Execution& execution, const GroupNorm& a, const ChannelFactors& factors) {
  const int64_t C = a.in.dim(1);
  for_each_row(execution, a.in.dim(0), 8 * C, [&](int64_t p, int) {
    normalise_pixel<kSilu>(a.in.row<const float>(p), factors, a.bias.as<const float>(), C,
                           a.out.row<Out>(p));
  });
}

Progress run_group_norm(Execution& execution, const GroupNorm& a) {
  const int64_t P = a.in.dim(0), C = a.in.dim(1), blocks = group_norm_blocks(P);
  // The lane's scratch, shared: statistics of all blocks, then the channels' factors.
  auto* const means = reinterpret_cast<float*>(
      execution.scratch(0, static_cast<size_t>((2 * blocks + 2) * C) * sizeof(float)).data());
  float* const squares = means + blocks * C;
  const ChannelFactors factors = {squares + blocks * C, squares + (blocks + 1) * C};
  execution.pool().parallel_for(blocks, [&](int64_t block, int) {
    block_statistics(a.in, block * kGroupNormBlock, pixels_of_block(P, block), means + block * C,
                     squares + block * C);
  });
  execution.pool().parallel_for(a.groups, [&](int64_t group, int) {
    const GroupStatistics joined = join_blocks(a, group, means, squares);
    const int64_t width = C / a.groups;
    for (int64_t c = group * width; c < (group + 1) * width; ++c) {
      factors.mean[c] = joined.mean;
      factors.gain[c] = joined.inverse * a.gain.as<const float>()[c];
    }
  });
  if (a.out.dtype == DType::kBf16) {
    (a.silu ? normalise_picture<true, Bf16> : normalise_picture<false, Bf16>)(execution, a,
                                                                              factors);
  } else {
    (a.silu ? normalise_picture<true, float> : normalise_picture<false, float>)(execution, a,
                                                                                factors);
  }
  return Progress::kDone;
}

#endif  // HWY_NATIVE_FMA

void fill_conv([[maybe_unused]] OpTable& table) {
#if HWY_NATIVE_FMA
  table.im2col = run_im2col;
  table.group_norm = run_group_norm;
#endif
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tessera
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
HWY_EXPORT(fill_conv);
void install_conv(OpTable& table) { HWY_DYNAMIC_DISPATCH(fill_conv)(table); }
}  // namespace tessera
#endif
