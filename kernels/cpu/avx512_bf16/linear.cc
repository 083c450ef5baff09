// Register blocks of VDPBF16PS for matrix products. See install.h for why its bits are those of
// every other level.
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <utility>

#include "kernels/cpu/avx512_bf16/install.h"
#include "kernels/cpu/install.h"
#include "kernels/cpu/linear_dots.h"

#if defined(__x86_64__)
#include <immintrin.h>

// The functions below are compiled for this; nothing else in the file is, so that no inline
// function of a header becomes one that lesser machines cannot run.
#define TESSERA_AVX512_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))
#endif

namespace tessera {

#if defined(__x86_64__)

namespace {

typedef uint32_t Words __attribute__((vector_size(64)));

constexpr int kQuads = kPanelDepth / 4;
constexpr int kRowWords = kPanelDepth / 2;  // 32-bit words of a row of a block

// acc[row][panel] += the chunk's dots. A quad is four k of a row: the word of k + 2 and k, then the
// word of k + 3 and k + 1.
template <int R, int P>
TESSERA_AVX512_BF16 void add_dots(const DotChunk& chunk) {
  const uint32_t* x = reinterpret_cast<const uint32_t*>(chunk.x);
  const uint32_t* w = chunk.w;
  for (int64_t block = 0; block < chunk.blocks; ++block) {
    for (int panel = 0; panel < P; ++panel) chunk.ahead.ask_for(panel, block);
    __m512 even[R][P], odd[R][P];
    for (int row = 0; row < R; ++row) {
      for (int panel = 0; panel < P; ++panel) {
        even[row][panel] = odd[row][panel] = _mm512_setzero_ps();
      }
    }
    for (int quad = 0; quad < kQuads; ++quad) {
      __m512bh w_even[P], w_odd[P];
      for (int panel = 0; panel < P; ++panel) {
        const uint32_t* const pairs = w + panel * chunk.panel_stride + 2 * quad * kPairWords;
        const Words first = reinterpret_cast<Words>(_mm512_loadu_si512(pairs));
        const Words second = reinterpret_cast<Words>(_mm512_loadu_si512(pairs + kPairWords));
        w_even[panel] = reinterpret_cast<__m512bh>(first << 16 | (second & 0xffffu));
        w_odd[panel] = reinterpret_cast<__m512bh>((first & 0xffff0000u) | second >> 16);
      }
      for (int row = 0; row < R; ++row) {
        const uint32_t* const words = x + row * kRowWords + 2 * quad;
        const __m512bh x_even =
            reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(words[0])));
        const __m512bh x_odd =
            reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(words[1])));
        for (int panel = 0; panel < P; ++panel) {
          even[row][panel] = _mm512_dpbf16_ps(even[row][panel], x_even, w_even[panel]);
          odd[row][panel] = _mm512_dpbf16_ps(odd[row][panel], x_odd, w_odd[panel]);
        }
      }
    }
    for (int row = 0; row < R; ++row) {
      for (int panel = 0; panel < P; ++panel) {
        float* const sum = chunk.acc + row * chunk.acc_stride + panel * kPanelColumns;
        const __m512 dot = _mm512_add_ps(even[row][panel], odd[row][panel]);
        _mm512_storeu_ps(sum, _mm512_add_ps(_mm512_loadu_ps(sum), dot));
      }
    }
    x += chunk.x_stride / static_cast<int64_t>(sizeof(uint32_t));
    w += kPairsPerBlock * kPairWords;
  }
}

// Four k of every 64 bits go from the order of memory to (k + 2, k), (k + 3, k + 1).
TESSERA_AVX512_BF16 void store_quads(const uint16_t* in, std::byte* out) {
  const __m512i order = _mm512_set4_epi32(0x0b0a0f0e, 0x09080d0c, 0x03020706, 0x01000504);
  _mm512_storeu_si512(out, _mm512_shuffle_epi8(_mm512_loadu_si512(in), order));
}

void lay_out(const Linear& args, int64_t row_begin, int64_t rows, std::byte* x) {
  constexpr int64_t kRowBytes = kPanelDepth * static_cast<int64_t>(sizeof(uint16_t));
  const int64_t K = args.w.K;
  for (int64_t row = 0; row < rows; ++row) {
    const uint16_t* in = args.x.row<const uint16_t>(row_begin + row);
    std::byte* out = x + row * kRowBytes;
    int64_t k = 0;
    for (; k + kPanelDepth <= K; k += kPanelDepth, out += rows * kRowBytes) {
      store_quads(in + k, out);
    }
    if (k == K) continue;
    uint16_t rest[kPanelDepth] = {};
    std::memcpy(rest, in + k, static_cast<size_t>(K - k) * sizeof(uint16_t));
    store_quads(rest, out);
  }
}

template <int P, int... kRowsLess1>
constexpr std::array<AddDots, kDotRows> kernels_of(std::integer_sequence<int, kRowsLess1...>) {
  return {add_dots<kRowsLess1 + 1, P>...};
}
constexpr auto kRowCounts = std::make_integer_sequence<int, kDotRows>();
constexpr DotKernels kPairKernels = {.element_bytes = sizeof(uint16_t),
                                     .lay_out = lay_out,
                                     .add = {kernels_of<1>(kRowCounts), kernels_of<2>(kRowCounts)}};

Progress linear(Execution& execution, const Linear& args) {
  if (args.w.dtype != DType::kBf16 || args.x.dim(0) == 0 || args.w.N == 0) {
    return cpu_ops(IsaLevel::kAvx512).linear(execution, args);
  }
  best_linear_of_dots()(execution, args, kPairKernels);
  return Progress::kDone;
}

constexpr int kSums = 16;

TESSERA_AVX512_BF16 void add_pairs(const uint32_t* x, const uint32_t* w, float* sums) {
  const __m512bh pairs = reinterpret_cast<__m512bh>(_mm512_loadu_si512(x));
  const __m512bh weights = reinterpret_cast<__m512bh>(_mm512_loadu_si512(w));
  _mm512_storeu_ps(sums, _mm512_dpbf16_ps(_mm512_loadu_ps(sums), pairs, weights));
}

float upper_of(uint32_t pair) { return std::bit_cast<float>(pair & 0xffff0000u); }
float lower_of(uint32_t pair) { return std::bit_cast<float>(pair << 16); }

// Two bf16 of random sign and digits between 2^-8 and 2^8.
uint32_t random_pair(std::minstd_rand& random) {
  uint32_t pair = 0;
  for (int half = 0; half < 2; ++half) {
    const uint32_t bits = static_cast<uint32_t>(random());
    const uint32_t exponent = 127 - 8 + (bits >> 8) % 17;
    pair = pair << 16 | (bits >> 2 & 0x8000u) | exponent << 7 | (bits >> 20 & 0x7fu);
  }
  return pair;
}

bool adds_pairs_in_two_steps() {
  constexpr int kRounds = 256;
  std::minstd_rand random(1);
  float sums[kSums] = {};
  for (int round = 0; round < kRounds; ++round) {
    uint32_t x[kSums], w[kSums];
    float wanted[kSums];
    for (int i = 0; i < kSums; ++i) {
      x[i] = random_pair(random);
      w[i] = random_pair(random);
      const float upper = std::fma(upper_of(x[i]), upper_of(w[i]), sums[i]);
      wanted[i] = std::fma(lower_of(x[i]), lower_of(w[i]), upper);
    }
    add_pairs(x, w, sums);
    if (std::memcmp(sums, wanted, sizeof sums) != 0) return false;
  }
  return true;
}

}  // namespace

bool pair_is_two_steps() {
  static const bool holds = detect_isa() >= IsaLevel::kAvx512Bf16 && adds_pairs_in_two_steps();
  return holds;
}

void install_avx512_bf16(OpTable& table) {
  if (pair_is_two_steps()) table.linear = linear;
}

#else

bool pair_is_two_steps() { return false; }
void install_avx512_bf16(OpTable&) {}

#endif

}  // namespace tessera
