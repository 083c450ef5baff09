// One step of VDPBF16PS on a quad: four k of R rows of x times P panels of 16 columns. See
// install.h for the order of the four. For the files of this folder alone; every function here is
// compiled for AVX512-BF16 and nothing else is, so that no inline function of another header
// becomes one that lesser machines cannot run.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/ops/packed_weight.h"

#define TESSERA_AVX512_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))

namespace tessera::avx512_bf16 {

typedef uint32_t Words __attribute__((vector_size(64)));

constexpr int kQuadsPerBlock = kPanelDepth / 4;
constexpr int64_t kQuadBytes = 8;  // of a row of x

// The even and the odd chains of a block of 32 k.
template <int R, int P>
struct Chains {
  __m512 even[R][P], odd[R][P];

  [[gnu::always_inline]] TESSERA_AVX512_BF16 void clear() {
    for (int row = 0; row < R; ++row) {
      for (int panel = 0; panel < P; ++panel)
        even[row][panel] = odd[row][panel] = _mm512_setzero_ps();
    }
  }

  // x: the quad of the first row, the next row `x_stride` bytes on: the word of k + 2 and k, then
  // that of k + 3 and k + 1. first[panel]: the panel's pairs of k and k + 1, as packed; those of k
  // + 2 and k + 3 stand `pair_stride` words on.
  [[gnu::always_inline]] TESSERA_AVX512_BF16 void add(const std::byte* x, int64_t x_stride,
                                                      const uint32_t* const (&first)[P],
                                                      int64_t pair_stride) {
    __m512bh w_even[P], w_odd[P];
    for (int panel = 0; panel < P; ++panel) {
      const Words low = reinterpret_cast<Words>(_mm512_loadu_si512(first[panel]));
      const Words high = reinterpret_cast<Words>(_mm512_loadu_si512(first[panel] + pair_stride));
      w_even[panel] = reinterpret_cast<__m512bh>(low << 16 | (high & 0xffffu));
      w_odd[panel] = reinterpret_cast<__m512bh>((low & 0xffff0000u) | high >> 16);
    }
    for (int row = 0; row < R; ++row) {
      const int* const words = reinterpret_cast<const int*>(x + row * x_stride);
      const __m512bh x_even = reinterpret_cast<__m512bh>(_mm512_set1_epi32(words[0]));
      const __m512bh x_odd = reinterpret_cast<__m512bh>(_mm512_set1_epi32(words[1]));
      for (int panel = 0; panel < P; ++panel) {
        even[row][panel] = _mm512_dpbf16_ps(even[row][panel], x_even, w_even[panel]);
        odd[row][panel] = _mm512_dpbf16_ps(odd[row][panel], x_odd, w_odd[panel]);
      }
    }
  }

  // acc[row][panel] += even + odd. Rows of acc are `stride` floats apart.
  [[gnu::always_inline]] TESSERA_AVX512_BF16 void finish(float* acc, int64_t stride) const {
    for (int row = 0; row < R; ++row) {
      for (int panel = 0; panel < P; ++panel) {
        float* const sum = acc + row * stride + panel * kPanelColumns;
        const __m512 dot = _mm512_add_ps(even[row][panel], odd[row][panel]);
        _mm512_storeu_ps(sum, _mm512_add_ps(_mm512_loadu_ps(sum), dot));
      }
    }
  }
};

}  // namespace tessera::avx512_bf16

#endif
