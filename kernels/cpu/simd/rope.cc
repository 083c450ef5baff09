// Head norm, rotation and the stores to q and the KV pages. Tokens that follow each other in a page
// are stored together: keys are transposed in registers and values of two tokens share their words,
// where a token alone is strided single words.
#include <algorithm>
#include <cstring>

#include "kernels/cpu/execution.h"
#include "kernels/cpu/portable/row_tasks.h"
#include "kernels/cpu/reference/bounds.h"
#include "kernels/cpu/reference/elements.h"
#include "kernels/cpu/simd/install.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/simd/rope.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/cpu/simd/rows_inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera {
namespace HWY_NAMESPACE {
namespace {

#if HWY_NATIVE_FMA

// `in` normalised where `gain` is given, into `out`; or just `in`.
const float* normed_head(const float* in, const float* gain, float eps, int64_t Dh, float* out) {
  if (gain == nullptr) return in;
  const float inverse = inverse_rms(
      Dh, eps, [&](int64_t d) { return load_row(in + d); }, [&](int64_t d) { return in[d]; });
  const FloatVec factor = hn::Set(FloatTag(), inverse);
  int64_t d = 0;
  for (; d + kLanes <= Dh; d += kLanes) {
    store_row(hn::Mul(hn::Mul(load_row(in + d), factor), load_row(gain + d)), out + d);
  }
  for (; d < Dh; ++d) out[d] = in[d] * inverse * gain[d];
  return out;
}

// Without `cos_sin` the head is only converted.
template <class Out>
void rotate_head(const float* in, const float* cos_sin, int64_t Dh, Out* out) {
  if (cos_sin == nullptr) return convert_row(in, Dh, out);
  const int64_t half = Dh / 2;
  int64_t d = 0;
  for (; d + kLanes <= half; d += kLanes) {
    const FloatVec low = load_row(in + d), high = load_row(in + d + half);
    const FloatVec cosine = load_row(cos_sin + d), sine = load_row(cos_sin + half + d);
    store_row(hn::MulSub(low, cosine, hn::Mul(high, sine)), out + d);
    store_row(hn::MulAdd(high, cosine, hn::Mul(low, sine)), out + d + half);
  }
  for (; d < half; ++d) {
    const float low = in[d], high = in[d + half];
    const float cosine = cos_sin[d], sine = cos_sin[half + d];
    store_one(std::fma(low, cosine, -(high * sine)), out + d);
    store_one(std::fma(high, cosine, low * sine), out + d + half);
  }
}

// Rows of words, `stride` apart, to the columns of a page: word w of row i goes to
// to[w * 16 + i].
void transpose_to_page(const uint32_t* rows, int64_t stride, int count, int64_t words,
                       uint32_t* to) {
  const hn::FixedTag<uint32_t, 4> d;
  const hn::FixedTag<uint64_t, 2> d64;
  int i = 0;
  for (; i + 4 <= count; i += 4) {
    const uint32_t* const from = rows + i * stride;
    int64_t w = 0;
    for (; w + 4 <= words; w += 4) {
      const auto a = hn::LoadU(d, from + w), b = hn::LoadU(d, from + stride + w);
      const auto c = hn::LoadU(d, from + 2 * stride + w), e = hn::LoadU(d, from + 3 * stride + w);
      const auto ab_low = hn::BitCast(d64, hn::InterleaveLower(d, a, b));
      const auto ab_high = hn::BitCast(d64, hn::InterleaveUpper(d, a, b));
      const auto ce_low = hn::BitCast(d64, hn::InterleaveLower(d, c, e));
      const auto ce_high = hn::BitCast(d64, hn::InterleaveUpper(d, c, e));
      uint32_t* const column = to + w * kKvBlockTokens + i;
      const auto put = [&](int64_t word, auto lanes) HWY_ATTR {
        hn::StoreU(hn::BitCast(d, lanes), d, column + word * kKvBlockTokens);
      };
      put(0, hn::InterleaveLower(d64, ab_low, ce_low));
      put(1, hn::InterleaveUpper(d64, ab_low, ce_low));
      put(2, hn::InterleaveLower(d64, ab_high, ce_high));
      put(3, hn::InterleaveUpper(d64, ab_high, ce_high));
    }
    for (; w < words; ++w) {
      for (int row = 0; row < 4; ++row) to[w * kKvBlockTokens + i + row] = from[row * stride + w];
    }
  }
  for (; i < count; ++i) {
    for (int64_t w = 0; w < words; ++w) to[w * kKvBlockTokens + i] = rows[i * stride + w];
  }
}

// Values of one token, and of two that share the words of a page.
void put_value(const float* in, int64_t Dh, Bf16* to) {
  for (int64_t d = 0; d < Dh; ++d) to[2 * d] = to_bf16(in[d]);
}
void put_two_values(const float* even, const float* odd, int64_t Dh, Bf16* to) {
  int64_t d = 0;
  for (; d + kLanes <= Dh; d += kLanes) {
    const BitsVec low = round_to_bf16(load_row(even + d));
    const BitsVec high = round_to_bf16(load_row(odd + d));
    hn::StoreU(hn::Or(hn::ShiftLeft<16>(high), low), BitsTag(),
               reinterpret_cast<uint32_t*>(to + 2 * d));
  }
  for (; d < Dh; ++d) {
    to[2 * d] = to_bf16(even[d]);
    to[2 * d + 1] = to_bf16(odd[d]);
  }
}

// Tokens that follow each other in the batch and in one page.
struct PageRun {
  int64_t row;    // of the first in the batch
  int64_t count;  // at most a page
  int64_t slot;   // of the first; below 0: one token that is not stored
};

PageRun run_from(const RopeAndStore& a, int64_t row, int64_t end) {
  const int32_t* const slots = a.slots.as<int32_t>();
  PageRun run{row, 1, slots[row]};
  while (run.slot >= 0 && row + run.count < end && slots[row + run.count] == run.slot + run.count &&
         (run.slot + run.count) % kKvBlockTokens != 0) {
    ++run.count;
  }
  return run;
}

void put_values(const RopeAndStore& a, const PageIndex& index, const PageRun& run, int64_t head,
                const float* in, int64_t stride) {
  if (!index.paired) {
    for (int64_t i = 0; i < run.count; ++i) {
      std::memcpy(a.v_pages.as<float>() + index.v(run.slot + i, head, 0), in + i * stride,
                  static_cast<size_t>(a.Dh) * sizeof(float));
    }
    return;
  }
  for (int64_t i = 0; i < run.count; ++i) {
    Bf16* const to = a.v_pages.as<Bf16>() + index.v(run.slot + i, head, 0);
    if ((run.slot + i) % 2 == 0 && i + 1 < run.count) {
      put_two_values(in + i * stride, in + (i + 1) * stride, a.Dh, to);
      ++i;
    } else {
      put_value(in + i * stride, a.Dh, to);
    }
  }
}

// `keys` has room for a page of one head's keys in the pages' dtype.
template <class Element>
void store_run(const RopeAndStore& a, const PageIndex& index, const PageRun& run, float* head_space,
               Element* keys) {
  const int64_t Dh = a.Dh, stride = a.qkv.stride[0];
  const auto cos_sin = [&](int64_t i) {
    return a.cos_sin.empty() ? nullptr : row_of<const float>(a.cos_sin, a.positions, run.row + i);
  };
  const float* const rows = a.qkv.row<float>(run.row);
  for (int64_t i = 0; i < run.count && a.H > 0; ++i) {
    const float* const rotation = cos_sin(i);
    for (int64_t h = 0; h < a.H; ++h) {
      const float* q =
          normed_head(rows + i * stride + h * Dh, a.q_gain.as<float>(), a.norm_eps, Dh, head_space);
      rotate_head(q, rotation, Dh, a.q.row<Element>(run.row + i) + h * a.q.stride[1]);
    }
  }
  if (run.slot < 0) return;
  constexpr int64_t kWordElements = sizeof(uint32_t) / sizeof(Element);
  for (int64_t h = 0; h < a.Hkv; ++h) {
    const float* const in = rows + (a.H + h) * Dh;
    for (int64_t i = 0; i < run.count; ++i) {
      const float* k =
          normed_head(in + i * stride, a.k_gain.as<float>(), a.norm_eps, Dh, head_space);
      rotate_head(k, cos_sin(i), Dh, keys + i * Dh);
    }
    transpose_to_page(
        reinterpret_cast<const uint32_t*>(keys), Dh / kWordElements, static_cast<int>(run.count),
        Dh / kWordElements,
        reinterpret_cast<uint32_t*>(a.k_pages.as<Element>() + index.k(run.slot, h, 0)));
    put_values(a, index, run, h, in + a.Hkv * Dh, stride);
  }
}

// Tasks of whole pages where rows are short, for tokens of a page are stored together.
int64_t rows_of_task(int64_t row_bytes) {
  const int64_t rows = rows_per_task(row_bytes);
  return 2 * rows < kKvBlockTokens ? rows : round_up(rows, kKvBlockTokens);
}

Progress run_rope_and_store(Execution& execution, const RopeAndStore& a) {
  const PageIndex index(a.k_pages);
  const int64_t T = a.qkv.dim(0), Dh = a.Dh;
  const int64_t rows = rows_of_task(8 * (a.H + 2 * a.Hkv) * Dh);
  const size_t space = static_cast<size_t>((1 + kKvBlockTokens) * Dh) * sizeof(float);
  execution.pool().parallel_for((T + rows - 1) / rows, [&](int64_t task, int thread) {
    auto* const head_space = reinterpret_cast<float*>(execution.scratch(thread, space).data());
    float* const keys = head_space + Dh;
    const int64_t end = std::min(T, (task + 1) * rows);
    for (int64_t row = task * rows; row < end;) {
      const PageRun run = run_from(a, row, end);
      if (index.paired) {
        store_run(a, index, run, head_space, reinterpret_cast<Bf16*>(keys));
      } else {
        store_run(a, index, run, head_space, keys);
      }
      row += run.count;
    }
  });
  return Progress::kDone;
}

#endif  // HWY_NATIVE_FMA

void fill_rope([[maybe_unused]] OpTable& table) {
#if HWY_NATIVE_FMA
  table.rope_and_store = run_rope_and_store;
#endif
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace tessera
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
HWY_EXPORT(fill_rope);
void install_rope(OpTable& table) { HWY_DYNAMIC_DISPATCH(fill_rope)(table); }
}  // namespace tessera
#endif
