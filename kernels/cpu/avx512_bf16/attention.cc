// The dots of attention on pairs; install.h says why the bits are those of every other level.
#include <algorithm>
#include <array>
#include <utility>

#include "kernels/cpu/attention_dots.h"
#include "kernels/cpu/avx512_bf16/ops.h"
#include "kernels/cpu/avx512_bf16/quads_inl.h"

#if defined(__x86_64__)

namespace tessera::avx512_bf16 {
namespace {

constexpr int64_t kRowBytes = kPanelDepth * static_cast<int64_t>(sizeof(float));
constexpr int kQuadsPerHalf = kQuadsPerBlock / 2;

template <int R, int P>
TESSERA_AVX512_BF16 void add_dots(const KeyDots& dots) {
  const std::byte* x = dots.x;
  int quads = dots.pairs / 2;
  for (int64_t at = 0; quads > 0; at += dots.block_stride, quads -= kQuadsPerBlock) {
    Chains<R, P> chains;
    chains.clear();
    for (int half = 0; half < 2; ++half) {
      const uint32_t* first[P];
      for (int panel = 0; panel < P; ++panel) first[panel] = dots.w[half][panel] + at;
      const int count = std::min(quads - half * kQuadsPerHalf, kQuadsPerHalf);
      for (int quad = 0; quad < count; ++quad) {
        chains.add(x + (half * kQuadsPerHalf + quad) * kQuadBytes, kRowBytes, first,
                   dots.pair_stride);
        for (int panel = 0; panel < P; ++panel) first[panel] += 2 * dots.pair_stride;
      }
    }
    chains.finish(dots.acc, dots.acc_stride);
    x += dots.x_stride;
  }
}

TESSERA_AVX512_BF16 void narrow(float* rows, int64_t count) {
  // Where k and k + 1 of each quad stand among 32 elements; k + 2 and k + 3 two later.
  const __m512i lower = _mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29);
  const __m512i upper = _mm512_add_epi32(lower, _mm512_set1_epi32(2));
  for (int64_t row = 0; row < count; ++row, rows += kPanelDepth) {
    const __m512i front = _mm512_loadu_si512(rows), back = _mm512_loadu_si512(rows + 16);
    const Words high = reinterpret_cast<Words>(_mm512_permutex2var_epi32(front, lower, back));
    const Words low = reinterpret_cast<Words>(_mm512_permutex2var_epi32(front, upper, back));
    _mm512_storeu_si512(rows, reinterpret_cast<__m512i>((high & 0xffff0000u) | low >> 16));
  }
}

template <int P, int... kRowsLess1>
constexpr auto kernels_of(std::integer_sequence<int, kRowsLess1...>) {
  return std::array<void (*)(const KeyDots&), kDotRows>{add_dots<kRowsLess1 + 1, P>...};
}
constexpr auto kRowCounts = std::make_integer_sequence<int, kDotRows>();
constexpr KeyDotKernels kPairKernels = {
    .narrow = narrow, .add = {kernels_of<1>(kRowCounts), kernels_of<2>(kRowCounts)}};

}  // namespace

Progress attention(Execution& execution, const Attention& args) {
  return best_attention_of_dots()(execution, args, kPairKernels);
}

}  // namespace tessera::avx512_bf16

#endif
