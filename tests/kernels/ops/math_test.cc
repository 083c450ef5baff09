#include "kernels/cpu/reference/math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "kernels/core/float_mode.h"

namespace tessera {
namespace {

// Distance of `found` from the real number `truth`, in units of the last place of f32 at `truth`.
double ulps(float found, double truth) {
  const int exponent = std::max(std::ilogb(truth), -126);
  return std::abs(static_cast<double>(found) - truth) / std::ldexp(1.0, exponent - 23);
}

TEST(Math, ExpIsWithinOneUlp) {
  const FlushSubnormals flush;
  double worst = 0;
  for (float x = -87.33654f; x < 88.7228f; x += 0.000173f) {
    worst = std::max(worst, ulps(exp_f32(x), std::exp(static_cast<double>(x))));
  }
  for (float x = 1e-30f; x < 80.0f; x *= 1.0003f) {
    worst = std::max(worst, ulps(exp_f32(x), std::exp(static_cast<double>(x))));
    worst = std::max(worst, ulps(exp_f32(-x), std::exp(static_cast<double>(-x))));
  }
  EXPECT_LE(worst, 1.0);
  EXPECT_GT(worst, 0.4);  // the measure itself sees rounding errors
}

TEST(Math, ExpAtTheEnds) {
  const FlushSubnormals flush;
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(exp_f32(0.0f), 1.0f);
  EXPECT_EQ(exp_f32(-0.0f), 1.0f);
  EXPECT_EQ(exp_f32(infinity), infinity);
  EXPECT_EQ(exp_f32(-infinity), 0.0f);
  EXPECT_EQ(exp_f32(89.0f), infinity);
  EXPECT_EQ(exp_f32(-88.0f), 0.0f);
  EXPECT_EQ(exp_f32(1e38f), infinity);
  EXPECT_EQ(exp_f32(-1e38f), 0.0f);
  EXPECT_LT(exp_f32(0x1.62e42ep+6f), infinity);
  EXPECT_GT(exp_f32(0x1.62e42ep+6f), 3.40e38f);
  EXPECT_EQ(exp_f32(std::nextafter(0x1.62e42ep+6f, 100.0f)), infinity);
  EXPECT_TRUE(std::isnan(exp_f32(std::numeric_limits<float>::quiet_NaN())));
}

TEST(Math, LogIsWithinTwoUlp) {
  const FlushSubnormals flush;
  double worst = 0;
  for (float x = std::numeric_limits<float>::min(); x < 3e38f; x *= 1.00001f) {
    if (x == 1.0f) continue;
    worst = std::max(worst, ulps(log_f32(x), std::log(static_cast<double>(x))));
  }
  for (float x = 0.5f; x < 2.0f; x += 0x1p-18f) {
    if (x == 1.0f) continue;
    worst = std::max(worst, ulps(log_f32(x), std::log(static_cast<double>(x))));
  }
  EXPECT_LE(worst, 2.0);
  EXPECT_GT(worst, 0.4);
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(log_f32(1.0f), 0.0f);
  EXPECT_EQ(log_f32(0.0f), -infinity);
  EXPECT_EQ(log_f32(infinity), infinity);
  EXPECT_TRUE(std::isnan(log_f32(-1.0f)));
  EXPECT_TRUE(std::isnan(log_f32(std::numeric_limits<float>::quiet_NaN())));
}

TEST(Math, Bf16RoundsToNearestEven) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 1000000; ++trial) {
    const float value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    const Bf16 found = to_bf16(value);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(to_f32(found)));
      ASSERT_NE(found.bits & 0x40, 0);
      continue;
    }
    const uint16_t below = static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16);
    // Above the largest finite bf16, infinity stands for 2^128.
    const auto exact = [](uint16_t bits) {
      return (bits & 0x7fff) == 0x7f80 ? std::copysign(0x1p128, bits & 0x8000 ? -1 : 1)
                                       : static_cast<double>(to_f32(Bf16{bits}));
    };
    if (std::isinf(value)) {
      ASSERT_EQ(to_f32(found), value);
      continue;
    }
    const double down = std::abs(exact(below) - static_cast<double>(value));
    const double up = std::abs(exact(static_cast<uint16_t>(below + 1)) - value);
    const bool take_up = up < down || (up == down && (below & 1) != 0);
    ASSERT_EQ(found.bits, static_cast<uint16_t>(below + (take_up ? 1 : 0))) << value;
  }
}

TEST(Math, EveryF16) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float found = to_f32(F16{static_cast<uint16_t>(bits)});
    const int exponent = static_cast<int>(bits >> 10 & 31);
    const double fraction = bits & 1023;
    const double sign = bits & 0x8000 ? -1 : 1;
    if (exponent == 31) {
      if (fraction == 0) {
        ASSERT_EQ(found, static_cast<float>(sign) * std::numeric_limits<float>::infinity());
      } else {
        ASSERT_TRUE(std::isnan(found));
      }
      continue;
    }
    const double truth = exponent == 0 ? sign * std::ldexp(fraction, -24)
                                       : sign * std::ldexp(1024 + fraction, exponent - 25);
    ASSERT_EQ(static_cast<double>(found), truth) << bits;
    ASSERT_EQ(std::signbit(found), bits >= 0x8000);
  }
}

TEST(Math, LaneSumAddsPairwise) {
  LaneSum sum;
  for (int d = 0; d < 40; ++d) sum.add(d, static_cast<float>(1 << (d % 16)));
  EXPECT_EQ(sum.total(), 65535.0f * 2 + 255.0f);
  // Lanes 0 and 8 meet first: their sum is exact where a left-to-right sum loses lane 8.
  LaneSum order;
  order.add(0, 0x1p24f);
  order.add(1, 1.0f);
  order.add(8, -0x1p24f);
  EXPECT_EQ(order.total(), 1.0f);
}

}  // namespace
}  // namespace tessera
