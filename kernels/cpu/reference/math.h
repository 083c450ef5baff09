// The scalar arithmetic that every backend level reproduces bit for bit: bf16 and f16 conversions,
// exp and log, activations, sums over 16 lanes, the dot. Each step is one IEEE operation that
// vectors have too (add, multiply, fused multiply-add, integer and bit operations), so SIMD code
// can follow it operation by operation. Callers run with subnormals flushed.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/ops/packed_weight.h"

namespace tessera {

struct Bf16 {
  uint16_t bits;
};
struct F16 {
  uint16_t bits;
};

inline float to_f32(Bf16 value) { return std::bit_cast<float>(uint32_t{value.bits} << 16); }
inline float to_f32(float value) { return value; }

inline float to_f32(F16 value) {
  const uint32_t sign = uint32_t{value.bits & 0x8000u} << 16;
  const uint32_t rest = value.bits & 0x7fffu;
  if (rest >= 0x7c00) return std::bit_cast<float>(sign | 0x7f800000u | (rest & 0x3ff) << 13);
  if (rest >= 0x0400) return std::bit_cast<float>(sign | ((rest + 0x1c000) << 13));
  // A subnormal: rest * 2^-24, which f32 holds as a normal number.
  const float magnitude = static_cast<float>(rest) * 0x1p-24f;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

// Rounds to nearest, ties to even; a NaN stays one and becomes quiet.
inline Bf16 to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>(bits >> 16 | 0x40)};
  return {static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16)};
}

// e^x within 1 ulp; 0 where the result would be subnormal, infinity where it would overflow.
// x = n ln 2 + r with |r| <= ln 2 / 2; e^r = 1 + r + r^2 P(r), P a minimax polynomial.
inline float exp_f32(float x) {
  constexpr float kHighest = 0x1.62e42ep+6f;  // the largest whose exponential is finite
  constexpr float kLowest = -0x1.5d589ep+6f;  // below, the exponential is subnormal
  constexpr float kRound = 0x1.8p+23f;  // adding it leaves the nearest integer in the low bits
  float clamped = x > kHighest ? kHighest : x;
  clamped = clamped < kLowest ? kLowest : clamped;
  const float shifted = std::fma(clamped, 0x1.715476p+0f, kRound);
  const float n = shifted - kRound;
  float r = std::fma(n, -0x1.62e43p-1f, clamped);
  r = std::fma(n, 0x1.05c61p-29f, r);
  float p = 0x1.6a23dp-10f;
  p = std::fma(p, r, 0x1.123a2p-7f);
  p = std::fma(p, r, 0x1.5558f2p-5f);
  p = std::fma(p, r, 0x1.555492p-3f);
  p = std::fma(p, r, 0x1.fffffcp-2f);
  p = std::fma(p, r * r, r) + 1.0f;
  // 2^n in two halves, since n = 128 has no float of its own.
  const int32_t exponent =
      static_cast<int32_t>(std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(kRound));
  const int32_t half = exponent >> 1;
  const auto power = [](int32_t e) {
    return std::bit_cast<float>(static_cast<uint32_t>(e + 127) << 23);
  };
  const float y = p * power(half) * power(exponent - half);
  if (x > kHighest) return std::numeric_limits<float>::infinity();
  if (x < kLowest) return 0.0f;
  return y;
}

// log x within 2 ulp for normal x; -infinity at 0, NaN below.
// x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); log(1 + f) = f - f^2/2 + f^3 Q(f).
inline float log_f32(float x) {
  if (!(x > 0.0f)) {
    return x == 0.0f ? -std::numeric_limits<float>::infinity()
                     : std::numeric_limits<float>::quiet_NaN();
  }
  if (x == std::numeric_limits<float>::infinity()) return x;
  constexpr uint32_t kRootHalf = 0x3f3504f3;
  const uint32_t offset = std::bit_cast<uint32_t>(x) - kRootHalf;
  const float e = static_cast<float>(static_cast<int32_t>(offset) >> 23);
  const float f = std::bit_cast<float>((offset & 0x7fffffu) + kRootHalf) - 1.0f;
  float q = -0x1.38b578p-4f;
  q = std::fma(q, f, 0x1.055b68p-3f);
  q = std::fma(q, f, -0x1.0d8542p-3f);
  q = std::fma(q, f, 0x1.22da1ep-3f);
  q = std::fma(q, f, -0x1.547244p-3f);
  q = std::fma(q, f, 0x1.99a008p-3f);
  q = std::fma(q, f, -0x1.000226p-2f);
  q = std::fma(q, f, 0x1.555554p-2f);
  const float square = f * f;
  float rest = square * f * q;
  rest = std::fma(e, -0x1.05c61p-29f, rest);
  rest = std::fma(square, -0.5f, rest);
  return std::fma(e, 0x1.62e43p-1f, f + rest);
}

inline float silu(float x) { return x / (1.0f + exp_f32(-x)); }

// x Phi(x) within 20 ulp, Phi the normal distribution. Phi(-t) = e^(-t^2/2) Q(1 / (1 + 0.26 t)), Q
// a minimax polynomial; beyond kFar the exponential is 0 anyway.
inline float gelu(float x) {
  constexpr float kFar = 14.0f;
  const float magnitude = std::abs(x);
  const float t = magnitude > kFar ? kFar : magnitude;
  const float s = 1.0f / std::fma(0x1.0a3d7p-2f, t, 1.0f);
  float q = 0x1.fa339ep-6f;
  q = std::fma(q, s, -0x1.3ce874p-3f);
  q = std::fma(q, s, 0x1.0599p-2f);
  q = std::fma(q, s, -0x1.3e89a8p-3f);
  q = std::fma(q, s, 0x1.502f32p-3f);
  q = std::fma(q, s, 0x1.96abc4p-5f);
  q = std::fma(q, s, 0x1.a77dbp-4f);
  q = std::fma(q, s, 0x1.a5be8ep-4f);
  q = std::fma(q, s, 0x1.a9028cp-4f);
  // The square as a sum of two floats, so that its rounding does not show in the exponential.
  const float square = t * t;
  const float rest = std::fma(t, t, -square);
  const float e = exp_f32(-0.5f * square);
  const float tail = std::fma(e, -0.5f * rest, e) * (q * s);
  return x * (x > 0.0f ? 1.0f - tail : tail);
}

inline float gelu_tanh(float x) {
  const float inner = std::fma(0x1.6e4e26p-5f * x, x * x, x);  // x + 0.044715 x^3
  return x / (1.0f + exp_f32(-0x1.988454p+0f * inner));        // 2 sqrt(2 / pi)
}

inline float quick_gelu(float x) { return x / (1.0f + exp_f32(-0x1.b3b646p+0f * x)); }

// With e = e^x, tanh(log(1 + e)) = e (e + 2) / (e (e + 2) + 2); from kOne on it is 1.
inline float mish(float x) {
  constexpr float kOne = 20.0f;
  const float e = exp_f32(x > kOne ? kOne : x);
  const float n = std::fma(e, e, e + e);
  return x * (n / (n + 2.0f));
}

// Sums over 16 fixed lanes: element d goes to lane d % 16, lanes are added pairwise at the end.
struct LaneSum {
  std::array<float, 16> lane{};

  void add(int64_t d, float value) { lane[d % 16] += value; }
  void add_product(int64_t d, float a, float b) { lane[d % 16] = std::fma(a, b, lane[d % 16]); }
  void scale(float factor) {
    for (float& one : lane) one *= factor;
  }
  float total() const {
    std::array<float, 16> sum = lane;
    for (int width = 8; width >= 1; width /= 2) {
      for (int l = 0; l < width; ++l) sum[l] += sum[l + width];
    }
    return sum[0];
  }
};

// accumulator + x.w over K elements as linear.h defines it for bf16; x(k) and w(k) give f32.
template <class X, class W>
float dot_bf16(float accumulator, int64_t K, X&& x, W&& w) {
  for (int64_t block = 0; block < K; block += kPanelDepth) {
    float even = 0.0f, odd = 0.0f;
    for (int64_t k = block; k < block + kPanelDepth; k += 2) {
      even = std::fma(k < K ? x(k) : 0.0f, k < K ? w(k) : 0.0f, even);
      odd = std::fma(k + 1 < K ? x(k + 1) : 0.0f, k + 1 < K ? w(k + 1) : 0.0f, odd);
    }
    accumulator += even + odd;
  }
  return accumulator;
}

// The same for f32.
template <class X, class W>
float dot_f32(float accumulator, int64_t K, X&& x, W&& w) {
  for (int64_t k = 0; k < K; ++k) accumulator = std::fma(x(k), w(k), accumulator);
  return accumulator;
}

}  // namespace tessera
