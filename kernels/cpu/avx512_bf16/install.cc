#include "kernels/cpu/avx512_bf16/install.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "kernels/cpu/avx512_bf16/ops.h"
#include "kernels/cpu/avx512_bf16/quads_inl.h"
#include "kernels/cpu/isa.h"

namespace tessera {

#if defined(__x86_64__)

namespace {

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
  if (!pair_is_two_steps()) return;
  table.attention = avx512_bf16::attention;
  table.linear = avx512_bf16::linear;
}

#else

bool pair_is_two_steps() { return false; }
void install_avx512_bf16(OpTable&) {}

#endif

}  // namespace tessera
