#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "kernels/ops/norm.h"
#include "support/kernel_device.h"
#include "support/shapes.h"

namespace tessera {
namespace {

using test::Device;
using test::random_floats;

constexpr float kEps = 1e-6f;
constexpr int64_t kModulations = 3;

// Which operands a case has.
struct Operands {
  bool delta, gate, gain, bias, scale, shift, row_mod, rows, normalise;
};

std::vector<Operands> all_operands() {
  std::vector<Operands> all;
  for (int bits = 0; bits < 256; ++bits) {
    const auto bit = [bits](int index) { return (bits >> index & 1) != 0; };
    if (bit(1) && !bit(0)) continue;
    all.push_back({bit(0), bit(1), bit(2), bit(3), bit(4), bit(5), bit(6), bit(7), true});
  }
  all.push_back({false, false, false, false, false, false, false, false, false});
  all.push_back({true, false, false, false, false, false, false, true, false});
  all.push_back({true, true, false, false, false, false, true, false, false});
  return all;
}

// What the tensors of a case hold. T rows in the stream, of which R are normalised; each part of
// the modulation is D columns of rows of 4 D, so that views are strided.
struct Case {
  Operands has;
  int64_t T, R, D;
  std::vector<float> residual, delta, gain, bias, modulation;
  std::vector<int32_t> rows, row_mod;

  float part(int64_t index, int64_t r, int64_t d) const {
    const int64_t m = has.row_mod ? row_mod[r] : 0;
    return modulation[(m * 4 + index) * D + d];
  }
};

Case make_case(const Operands& has, int64_t T, int64_t D) {
  std::mt19937 random(static_cast<unsigned>(T * 1000 + D));
  Case c{has, T, has.rows ? (T + 1) / 2 : T, D, {}, {}, {}, {}, {}, {}, {}};
  c.residual = random_floats(random, T * D, 3.0f);
  for (float& x : c.residual) x += 1.5f;
  c.delta = random_floats(random, c.R * D);
  c.gain = random_floats(random, D);
  c.bias = random_floats(random, D);
  c.modulation = random_floats(random, kModulations * 4 * D);
  c.rows.resize(static_cast<size_t>(T));
  std::iota(c.rows.begin(), c.rows.end(), 0);
  std::shuffle(c.rows.begin(), c.rows.end(), random);
  c.rows.resize(static_cast<size_t>(c.R));
  for (int64_t r = 0; r < c.R; ++r) c.row_mod.push_back(static_cast<int32_t>(random() % 3));
  return c;
}

// normed, residual: whole tensors, of which the case uses the columns after the first three.
std::vector<Tensor> run_case(Device& device, const Case& c, DType dtype) {
  const Tensor modulation = device.put(DType::kF32, {kModulations, 4 * c.D}, c.modulation);
  const Tensor normed = device.zeros(dtype, {c.R, c.D + 5});
  const Tensor residual = device.put(DType::kF32, {c.T, c.D}, c.residual);
  AddLayerNorm a{};
  if (c.has.delta) a.delta = device.put(DType::kF32, {c.R, c.D}, c.delta);
  if (c.has.gate) a.gate = modulation.columns(0, c.D);
  if (c.has.row_mod) a.row_mod = device.put_ints(c.row_mod);
  if (c.has.rows) a.rows = device.put_ints(c.rows);
  if (c.has.gain) a.gain = device.put(DType::kF32, {c.D}, c.gain);
  if (c.has.bias) a.bias = device.put(DType::kF32, {c.D}, c.bias);
  if (c.has.scale) a.scale = modulation.columns(c.D, c.D);
  if (c.has.shift) a.shift = modulation.columns(3 * c.D, c.D);
  a.residual = residual;
  a.normed = normed.columns(3, c.D);
  a.eps = kEps;
  a.normalise = c.has.normalise;
  add_layer_norm(device.stream(), a);
  return {normed, residual};
}

TEST(AddLayerNorm, SameBitsOnEveryLevel) {
  for (const std::vector<int64_t>& shape : test::read_shapes("rows", 2)) {
    const Case c =
        make_case({true, true, true, true, true, true, true, false, true}, shape[0], shape[1]);
    for (const DType dtype : {DType::kBf16, DType::kF32}) {
      test::expect_same_bits("add_layer_norm",
                             [&](Device& device) { return run_case(device, c, dtype); });
    }
  }
}

TEST(AddLayerNorm, SameBitsWithAnyOperands) {
  for (const Operands& has : all_operands()) {
    const Case c = make_case(has, 7, 50);
    test::expect_same_bits("add_layer_norm",
                           [&](Device& device) { return run_case(device, c, DType::kF32); });
  }
}

TEST(AddLayerNorm, AgreesWithDoublePrecision) {
  for (const Operands& has : all_operands()) {
    for (const int64_t D : {1, 50, 384}) {
      const Case c = make_case(has, 5, D);
      Device device(test::reference_level());
      const std::vector<Tensor> out = run_case(device, c, DType::kF32);
      const std::vector<float> normed = device.get<float>(out[0]);
      std::vector<float> sum = device.get<float>(out[1]);
      for (int64_t r = 0; r < c.R; ++r) {
        const int64_t row = has.rows ? c.rows[r] : r;
        double mean = 0, variance = 0;
        for (int64_t d = 0; d < D; ++d) {
          double truth = c.residual[row * D + d];
          if (has.delta) {
            truth += (has.gate ? static_cast<double>(c.part(0, r, d)) : 1.0) * c.delta[r * D + d];
          }
          ASSERT_NEAR(sum[row * D + d], truth, 0x1p-20 * std::abs(truth) + 1e-6);
          mean += sum[row * D + d];
        }
        mean /= static_cast<double>(D);
        for (int64_t d = 0; d < D; ++d) {
          variance += std::pow(static_cast<double>(sum[row * D + d]) - mean, 2);
        }
        const double inverse = 1 / std::sqrt(variance / static_cast<double>(D) + kEps);
        for (int64_t d = 0; d < D; ++d) {
          double truth = sum[row * D + d];
          if (has.normalise) {
            truth = (truth - mean) * inverse;
            truth = truth * (has.gain ? c.gain[d] : 1.0f) + (has.bias ? c.bias[d] : 0.0f);
            truth = truth * (1.0 + (has.scale ? static_cast<double>(c.part(1, r, d)) : 0.0)) +
                    (has.shift ? c.part(3, r, d) : 0.0f);
          }
          // With one column the difference from the mean is all there is, and it is 0.
          ASSERT_NEAR(normed[r * (D + 5) + 3 + d], truth, std::abs(truth) * 0x1p-18 + 2e-6);
        }
        for (const int64_t outside : {0, 1, 2}) ASSERT_EQ(normed[r * (D + 5) + outside], 0.0f);
        for (int64_t d = D + 3; d < D + 5; ++d) ASSERT_EQ(normed[r * (D + 5) + d], 0.0f);
        std::copy_n(c.residual.begin() + row * D, D, sum.begin() + row * D);
      }
      EXPECT_EQ(sum, c.residual);  // no other row was touched
    }
  }
}

// A row far from zero: subtracting the mean first keeps what differs.
TEST(AddLayerNorm, KeepsSmallDifferencesOnALargeMean) {
  const int64_t D = 64;
  std::vector<float> residual;
  for (int64_t d = 0; d < D; ++d) residual.push_back(1000.0f + (d % 2 == 0 ? 0.5f : -0.5f));
  Device device(test::reference_level());
  AddLayerNorm a{};
  a.residual = device.put(DType::kF32, {1, D}, residual);
  a.normed = device.zeros(DType::kF32, {1, D});
  a.normalise = true;
  add_layer_norm(device.stream(), a);
  for (const float one : device.get<float>(a.normed)) EXPECT_EQ(std::abs(one), 1.0f);
}

// A row's bits do not depend on its neighbours.
TEST(AddLayerNorm, RowsAloneAreRowsTogether) {
  const Case c = make_case({true, true, false, false, true, true, true, false, true}, 9, 100);
  for (const test::Level& level : test::cpu_levels()) {
    Device device(level);
    const std::vector<uint8_t> together = device.get<uint8_t>(run_case(device, c, DType::kBf16)[0]);
    for (int64_t r = 0; r < c.R; ++r) {
      Case one = c;
      one.T = one.R = 1;
      one.residual.assign(c.residual.begin() + r * c.D, c.residual.begin() + (r + 1) * c.D);
      one.delta.assign(c.delta.begin() + r * c.D, c.delta.begin() + (r + 1) * c.D);
      one.row_mod = {c.row_mod[r]};
      const std::vector<uint8_t> alone =
          device.get<uint8_t>(run_case(device, one, DType::kBf16)[0]);
      const size_t bytes = alone.size();
      ASSERT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + r * bytes))
          << level.name;
    }
  }
}

TEST(AddLayerNormDeathTest, RefusesWhatDoesNotFit) {
  Device device(test::reference_level());
  const auto tensor = [&](std::initializer_list<int64_t> shape) {
    return device.zeros(DType::kF32, shape);
  };
  AddLayerNorm good{};
  good.residual = tensor({4, 8});
  good.normed = tensor({4, 8});
  good.normalise = true;
  const auto expect_death = [&](auto&& spoil, const char* words) {
    AddLayerNorm a = good;
    spoil(a);
    EXPECT_DEATH(add_layer_norm(device.stream(), a), words);
  };
  expect_death([&](AddLayerNorm& a) { a.normed = tensor({3, 8}); }, "normed");
  expect_death([&](AddLayerNorm& a) { a.normed = device.zeros(DType::kI32, {4, 8}); }, "normed");
  expect_death([&](AddLayerNorm& a) { a.delta = tensor({4, 7}); }, "delta");
  expect_death([&](AddLayerNorm& a) { a.gate = tensor({1, 8}); }, "gate");
  expect_death([&](AddLayerNorm& a) { a.scale = tensor({0, 8}); }, "M");
  expect_death([&](AddLayerNorm& a) { a.shift = tensor({2, 9}); }, "shift");
  expect_death(
      [&](AddLayerNorm& a) {
        a.scale = tensor({2, 8}), a.shift = tensor({3, 8});
      },
      "shift");
  expect_death([&](AddLayerNorm& a) { a.gain = tensor({7}); }, "gain");
  expect_death([&](AddLayerNorm& a) { a.bias = tensor({1, 8}); }, "bias");
  expect_death([&](AddLayerNorm& a) { a.row_mod = device.put_ints({0, 0, 0}); }, "row_mod");
  expect_death([&](AddLayerNorm& a) { a.normalise = false, a.gain = tensor({8}); }, "normalise");
  for (const test::Level& level : {test::reference_level(), test::cpu_levels().back()}) {
    for (const int32_t outside : {-1, 4}) {
      EXPECT_DEATH(
          {
            Device other(level);
            AddLayerNorm a{};
            a.residual = other.zeros(DType::kF32, {4, 8});
            a.normed = other.zeros(DType::kF32, {1, 8});
            a.rows = other.put_ints({outside});
            add_layer_norm(other.stream(), a);
            other.run();
          },
          "row >= 0");
    }
  }
}

}  // namespace
}  // namespace tessera
