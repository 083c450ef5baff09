#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "kernels/ops/activation.h"
#include "kernels/ops/linear.h"
#include "support/kernel_device.h"
#include "support/shapes.h"

namespace tessera {
namespace {

using test::Device;

constexpr Activation kAll[] = {Activation::kSilu, Activation::kGelu, Activation::kGeluTanh,
                               Activation::kQuickGelu, Activation::kMish};

double truth_of(Activation kind, double x) {
  switch (kind) {
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kGelu:
      return x * std::erfc(-x / std::sqrt(2.0)) / 2;
    case Activation::kGeluTanh:
      return x / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::kQuickGelu:
      return x / (1 + std::exp(-1.702 * x));
    case Activation::kMish:
      return x * std::tanh(std::log1p(std::exp(x)));
  }
  return 0;
}

Tensor run_activate(Device& device, const Tensor& in, Activation kind, DType dtype) {
  const Tensor out = device.zeros(dtype, {in.dim(0), in.dim(1)});
  activate(device.stream(), {.in = in, .kind = kind, .out = out});
  return out;
}

// Finite floats of every exponent and sign, and those near the origin, where values matter.
std::vector<float> every_kind_of_float() {
  std::vector<float> values;
  for (uint64_t bits = 0; bits < 0x7f800000; bits += 199999) {
    values.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
    values.push_back(-values.back());
  }
  for (float x = -20.0f; x < 22.0f; x += 0.0017f) values.push_back(x);
  return values;
}

TEST(Activate, SameBitsForEveryKindOfFloat) {
  const std::vector<float> values = every_kind_of_float();
  for (const Activation kind : kAll) {
    test::expect_same_bits("activate", [&](Device& device) {
      const Tensor in = device.put(DType::kF32, {1, static_cast<int64_t>(values.size())}, values);
      return std::vector<Tensor>{run_activate(device, in, kind, DType::kF32)};
    });
  }
}

TEST(Activate, SameBitsOnEveryLevelInEveryForm) {
  for (const std::vector<int64_t>& shape : test::read_shapes("rows", 2)) {
    const int64_t M = shape[0], F = shape[1];
    std::mt19937 random(static_cast<unsigned>(M * 100 + F));
    const std::vector<float> values = test::random_floats(random, M * (2 * F + 3), 4.0f);
    for (const Activation kind : kAll) {
      test::expect_same_bits("activate", [&](Device& device) {
        const Tensor whole = device.put(DType::kF32, {M, 2 * F + 3}, values);
        const Tensor strided = whole.columns(3, 2 * F);
        std::vector<Tensor> out;
        for (const DType dtype : {DType::kBf16, DType::kF32}) {
          out.push_back(run_activate(device, strided, kind, dtype));
        }
        activate(device.stream(), {.in = strided, .kind = kind, .out = strided});
        out.push_back(whole);
        return out;
      });
    }
  }
}

TEST(Activate, AgreesWithDoublePrecision) {
  const std::vector<float> values = every_kind_of_float();
  Device device(test::reference_level());
  const Tensor in = device.put(DType::kF32, {1, static_cast<int64_t>(values.size())}, values);
  for (const Activation kind : kAll) {
    const std::vector<float> found = device.get<float>(run_activate(device, in, kind, DType::kF32));
    double worst = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const double truth = truth_of(kind, values[i]);
      // Below this, exponentials and products are flushed to zero.
      if (std::abs(truth) < 1e-30) {
        ASSERT_LT(std::abs(found[i]), 2e-30) << values[i];
        continue;
      }
      const double error = std::abs(found[i] - truth) / std::abs(truth);
      // The argument of the exponential is rounded, which its size magnifies.
      const double square = static_cast<double>(values[i]) * values[i];
      ASSERT_LT(error, values[i] > 20 ? 1e-7 : 1e-6 + 1.3e-7 * square) << values[i];
      if (std::abs(values[i]) < 2) worst = std::max(worst, error);
    }
    EXPECT_LT(worst, 1e-6);
    EXPECT_GT(worst, 1e-8);  // the measure sees rounding errors
  }
}

TEST(Activate, AtTheEnds) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const test::Level& level : {test::reference_level(), test::cpu_levels().back()}) {
    Device device(level);
    const Tensor in =
        device.put(DType::kF32, {1, 17},
                   std::vector<float>{0, infinity, 3e38f, -3e38f, 100, -100, std::nanf(""), 0, 0, 0,
                                      0, 0, 0, 0, 0, 0, std::nanf("")});
    for (const Activation kind : kAll) {
      const std::vector<float> found =
          device.get<float>(run_activate(device, in, kind, DType::kF32));
      EXPECT_EQ(found[0], 0.0f);
      EXPECT_EQ(found[1], infinity);
      EXPECT_EQ(found[2], 3e38f);
      EXPECT_EQ(found[3], 0.0f);
      EXPECT_EQ(found[4], 100.0f);
      EXPECT_LT(std::abs(found[5]), 1e-30f);
      EXPECT_TRUE(std::isnan(found[6]));
      EXPECT_TRUE(std::isnan(found[16]));
    }
  }
}

// As the epilogue of a product: the bits of the product in f32, then of the op.
TEST(Activate, AfterAProductIsTheOpOnItsSums) {
  constexpr int64_t kM = 7, kN = 41, kK = 50;
  std::mt19937 random(9);
  const std::vector<float> x = test::random_floats(random, kM * kK);
  const std::vector<float> weights = test::random_floats(random, kN * kK, 0.5f);
  const std::vector<float> bias = test::random_floats(random, kN);
  for (const DType dtype : {DType::kBf16, DType::kF32}) {
    for (const Activation kind : kAll) {
      for (const test::Level& level : test::cpu_levels()) {
        Device device(level);
        Linear product;
        product.x = device.put_rounded(dtype, {kM, kK}, x);
        product.w = device.put_weight(dtype, kN, kK, weights);
        product.bias = device.put(DType::kF32, {kN}, bias);
        product.out = device.zeros(DType::kF32, {kM, kN});
        linear(device.stream(), product);
        const Tensor apart = run_activate(device, product.out, kind, DType::kBf16);
        Linear together = product;
        together.out = device.zeros(DType::kBf16, {kM, kN});
        together.activation = kind;
        linear(device.stream(), together);
        EXPECT_EQ(device.get<uint16_t>(together.out), device.get<uint16_t>(apart)) << level.name;
      }
    }
  }
}

TEST(ActivateDeathTest, RefusesWhatDoesNotFit) {
  Device device(test::reference_level());
  const Tensor in = device.zeros(DType::kF32, {3, 10}), half = device.zeros(DType::kF32, {3, 5});
  const auto run = [&](const Tensor& from, const Tensor& to) {
    activate(device.stream(), {.in = from, .kind = Activation::kGelu, .out = to});
  };
  EXPECT_DEATH(run(in, half), "tensor in is f32 .3, 10., expected f32 .M=3, F=5.");
  EXPECT_DEATH(run(in, device.zeros(DType::kI32, {3, 10})), "tensor out");
  Tensor narrow = half;
  narrow.data = in.data;
  EXPECT_DEATH(run(in.columns(0, 5), narrow), "stride");
}

}  // namespace
}  // namespace tessera
