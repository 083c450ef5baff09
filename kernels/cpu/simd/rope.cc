// Head norm, rotation and the stores to q and the KV pages, a token per row of work. The rotation
// is vectors; the stores to pages are strided single words.
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

// One token and head to its place; `k` and `v` are of the pages' dtype.
void put_in_pages(const RopeAndStore& a, const PageIndex& index, int64_t slot, int64_t head,
                  const float* k, const float* v) {
  float* to_k = a.k_pages.as<float>() + index.k(slot, head, 0);
  for (int64_t d = 0; d < a.Dh; ++d) to_k[d * kKvBlockTokens] = k[d];
  std::memcpy(a.v_pages.as<float>() + index.v(slot, head, 0), v,
              static_cast<size_t>(a.Dh) * sizeof(float));
}
void put_in_pages(const RopeAndStore& a, const PageIndex& index, int64_t slot, int64_t head,
                  const Bf16* k, const Bf16* v) {
  Bf16* to_k = a.k_pages.as<Bf16>() + index.k(slot, head, 0);
  for (int64_t d = 0; d < a.Dh; d += 2) {
    std::memcpy(to_k + d * kKvBlockTokens, k + d, 2 * sizeof(Bf16));
  }
  Bf16* to_v = a.v_pages.as<Bf16>() + index.v(slot, head, 0);
  for (int64_t d = 0; d < a.Dh; ++d) to_v[2 * d] = v[d];
}

template <class Element>
void store_token(const RopeAndStore& a, const PageIndex& index, int64_t t, float* head_space,
                 Element* key_space) {
  const float* cos_sin =
      a.cos_sin.empty() ? nullptr : row_of<const float>(a.cos_sin, a.positions, t);
  const float* row = a.qkv.row<float>(t);
  const int64_t Dh = a.Dh;
  for (int64_t h = 0; h < a.H; ++h) {
    const float* q = normed_head(row + h * Dh, a.q_gain.as<float>(), a.norm_eps, Dh, head_space);
    rotate_head(q, cos_sin, Dh, a.q.row<Element>(t) + h * a.q.stride[1]);
  }
  const int32_t slot = a.slots.as<int32_t>()[t];
  if (slot < 0) return;
  Element* value_space = key_space + Dh;
  for (int64_t h = 0; h < a.Hkv; ++h) {
    const float* in = row + (a.H + h) * Dh;
    const float* k = normed_head(in, a.k_gain.as<float>(), a.norm_eps, Dh, head_space);
    rotate_head(k, cos_sin, Dh, key_space);
    convert_row(in + a.Hkv * Dh, Dh, value_space);
    put_in_pages(a, index, slot, h, key_space, value_space);
  }
}

Progress run_rope_and_store(Execution& execution, const RopeAndStore& a) {
  const PageIndex index(a.k_pages);
  const int64_t row_bytes = 8 * (a.H + 2 * a.Hkv) * int64_t{a.Dh};
  const size_t space = 3 * static_cast<size_t>(a.Dh) * sizeof(float);
  for_each_row(execution, a.qkv.dim(0), row_bytes, [&](int64_t t, int thread) {
    std::byte* const scratch = execution.scratch(thread, space).data();
    auto* head_space = reinterpret_cast<float*>(scratch);
    std::byte* const rest = scratch + static_cast<size_t>(a.Dh) * sizeof(float);
    if (index.paired) {
      store_token(a, index, t, head_space, reinterpret_cast<Bf16*>(rest));
    } else {
      store_token(a, index, t, head_space, reinterpret_cast<float*>(rest));
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
