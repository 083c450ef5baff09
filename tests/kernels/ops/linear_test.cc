#include "kernels/ops/linear.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/cpu/reference/elements.h"
#include "support/kernel_device.h"
#include "support/shapes.h"

namespace tessera {
namespace {

using test::Device;
using test::random_floats;

struct Case {
  int64_t M, N, K;
  DType dtype, out;
  bool bias, strided;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const std::vector<int64_t>& shape : test::read_shapes("linear", 3)) {
    for (const DType dtype : {DType::kBf16, DType::kF32}) {
      all.push_back({shape[0], shape[1], shape[2], dtype, DType::kF32, false, false});
      all.push_back({shape[0], shape[1], shape[2], dtype, DType::kBf16, true, true});
    }
  }
  EXPECT_GE(all.size(), 20u);
  return all;
}

std::string describe(const Case& c) {
  return "linear " + std::to_string(c.M) + " x " + std::to_string(c.N) + " x " +
         std::to_string(c.K) + " " + std::string(name_of(c.dtype));
}

struct Inputs {
  std::vector<float> x, w, bias;
};

Inputs inputs_of(const Case& c) {
  std::mt19937 random(static_cast<unsigned>(c.M * 7919 + c.N * 31 + c.K));
  return {random_floats(random, c.M * c.K), random_floats(random, c.N * c.K, 0.3f),
          random_floats(random, c.N)};
}

Tensor run_linear(Device& device, const Case& c, const Inputs& in) {
  // A strided x stands in the middle columns of a wider tensor whose rest is NaN.
  const int64_t wide = c.strided ? c.K + 24 : c.K;
  std::vector<float> x(static_cast<size_t>(c.M * wide), std::nanf(""));
  const int64_t first = c.strided ? 8 : 0;
  for (int64_t m = 0; m < c.M; ++m) {
    for (int64_t k = 0; k < c.K; ++k) x[m * wide + first + k] = in.x[m * c.K + k];
  }
  Linear a;
  a.x = device.put_rounded(c.dtype, {c.M, wide}, x).columns(first, c.K);
  a.w = device.put_weight(c.dtype, c.N, c.K, in.w);
  if (c.bias) a.bias = device.put(DType::kF32, {c.N}, in.bias);
  a.out = device.zeros(c.out, {c.M, c.N});
  linear(device.stream(), a);
  return a.out;
}

TEST(Linear, EveryLevelGivesTheSameBits) {
  for (const Case& c : cases()) {
    const Inputs in = inputs_of(c);
    test::expect_same_bits(describe(c), [&](Device& device) {
      return std::vector<Tensor>{run_linear(device, c, in)};
    });
  }
}

TEST(Linear, AgreesWithDoublePrecision) {
  for (const Case& c : cases()) {
    const Inputs in = inputs_of(c);
    Device device(test::reference_level());
    const Tensor out = run_linear(device, c, in);
    device.run();
    const std::vector<float> found = device.get_floats(out);
    for (int64_t m = 0; m < c.M; ++m) {
      for (int64_t n = 0; n < c.N; ++n) {
        double truth = 0, magnitude = 0;
        for (int64_t k = 0; k < c.K; ++k) {
          const double product = static_cast<double>(rounded(in.x[m * c.K + k], c.dtype)) *
                                 rounded(in.w[n * c.K + k], c.dtype);
          truth += product;
          magnitude += std::abs(product);
        }
        if (c.bias) truth += in.bias[n], magnitude += std::abs(in.bias[n]);
        // One rounding per term of the sum, then that of the output.
        double tolerance = magnitude * static_cast<double>(c.K + 2) * 0x1p-24;
        if (c.out == DType::kBf16) tolerance += std::abs(truth) * 0x1p-8;
        ASSERT_NEAR(found[m * c.N + n], truth, tolerance)
            << describe(c) << " at " << m << ", " << n;
      }
    }
  }
}

TEST(Linear, ARowHasTheSameBitsAloneAndInABatch) {
  const Case batch{33, 80, 160, DType::kBf16, DType::kF32, false, false};
  const Inputs in = inputs_of(batch);
  for (const test::Level& level : test::cpu_levels()) {
    Device device(level);
    const std::vector<float> together = device.get<float>(run_linear(device, batch, in));
    for (const int64_t m : {0, 1, 15, 16, 31, 32}) {
      Case alone = batch;
      alone.M = 1;
      Inputs one = in;
      one.x.assign(in.x.begin() + m * batch.K, in.x.begin() + (m + 1) * batch.K);
      const std::vector<float> row = device.get<float>(run_linear(device, alone, one));
      for (int64_t n = 0; n < batch.N; ++n) {
        ASSERT_EQ(row[n], together[m * batch.N + n]) << level.name << " row " << m;
      }
    }
  }
}

TEST(Linear, ShardsOfColumnsGiveTheSameBits) {
  const Case c{5, 64, 96, DType::kBf16, DType::kF32, false, false};
  const Inputs in = inputs_of(c);
  for (const test::Level& level : test::cpu_levels()) {
    Device device(level);
    const std::vector<float> whole = device.get<float>(run_linear(device, c, in));
    const Tensor x = device.put_rounded(c.dtype, {c.M, c.K}, in.x);
    const PackedWeight w = device.put_weight(c.dtype, c.N, c.K, in.w);
    const Tensor out = device.zeros(DType::kF32, {c.M, c.N});
    for (const auto& [begin, count] : {std::pair{0, 16}, {16, 32}, {48, 16}}) {
      Linear a;
      a.x = x;
      a.w = w.columns(begin, count);
      a.out = out.columns(begin, count);
      linear(device.stream(), a);
    }
    device.run();
    EXPECT_EQ(device.get<float>(out), whole) << level.name;
  }
}

// The definition of linear.h on values whose order of summation shows: within a block of 32 the
// even and the odd chain are summed apart, blocks one after the other.
TEST(Linear, Bf16DotSumsInTheDeclaredOrder) {
  std::vector<float> x(64, 1.0f), w(64, 0.0f);
  w[0] = 0x1p30f;    // even chain of block 0
  w[2] = 1.0f;       // lost beside 2^30
  w[1] = 1.0f;       // odd chain: survives until even + odd, lost there
  w[32] = -0x1p30f;  // block 1 cancels block 0
  w[33] = 1.0f;      // lost in even + odd of block 1
  w[63] = 2.0f;      // lost likewise
  const Case c{1, 1, 64, DType::kBf16, DType::kF32, false, false};
  test::Device device(test::reference_level());
  EXPECT_EQ(device.get<float>(run_linear(device, c, {x, w, {}}))[0], 0.0f);
  w[34] = 0x1p30f;  // the even chain of block 1 is exactly zero now: its odd chain survives
  w[0] = 0.0f;
  const float kept = device.get<float>(run_linear(device, c, {x, w, {}}))[0];
  EXPECT_EQ(kept, 1.0f + 1.0f + 3.0f);
}

TEST(Linear, SubnormalsAreFlushed) {
  const Case c{1, 1, 32, DType::kBf16, DType::kF32, false, false};
  std::vector<float> x(32, 0.0f), w(32, 0.0f);
  x[0] = 0x1p-70f;
  w[0] = 0x1p-70f;  // the product is far below f32
  x[2] = 0x1p-64f;
  w[2] = 0x1p-64f;  // the product is subnormal
  test::expect_same_bits("subnormal products", [&](Device& device) {
    return std::vector<Tensor>{run_linear(device, c, {x, w, {}})};
  });
  Device device(test::reference_level());
  EXPECT_EQ(device.get<float>(run_linear(device, c, {x, w, {}}))[0], 0.0f);
}

TEST(PackWeight, PutsEveryElementInItsPanelAndLeavesTheRest) {
  std::mt19937 random(5);
  for (const DType source : {DType::kF32, DType::kBf16, DType::kF16}) {
    for (const DType dtype : {DType::kBf16, DType::kF32}) {
      for (const int64_t column : {0, 5, 16, 30}) {
        const int64_t N = 21, K = 37, stride = 41, columns = 60;
        std::vector<uint32_t> raw(static_cast<size_t>(N * stride));
        for (uint32_t& bits : raw) bits = static_cast<uint32_t>(random() & 0x3fff3fff);
        const auto body = [&](Device& device) {
          const PackedWeight w = allocate_packed(device.region(), dtype, columns, K);
          pack_weight(device.stream(), PackWeight{raw.data(), source, N, K, stride, w, column});
          return std::vector<Tensor>{
              make_tensor(w.data, dtype, {w.padded_columns() * w.padded_depth()})};
        };
        test::expect_same_bits("pack_weight", body);
        Device device(test::reference_level());
        const Tensor packed = body(device)[0];
        device.run();
        const std::vector<float> found = device.get_floats(packed);
        PackedWeight layout;
        layout.dtype = dtype;
        layout.N = columns;
        layout.K = K;
        int64_t filled = 0, expected_filled = 0;
        for (const float value : found) filled += value != 0.0f;
        for (int64_t n = 0; n < N; ++n) {
          for (int64_t k = 0; k < K; ++k) {
            const float value = rounded(load_element(raw.data(), source, n * stride + k), dtype);
            ASSERT_EQ(found[packed_index(layout, k, column + n)], value);
            expected_filled += value != 0.0f;
          }
        }
        EXPECT_EQ(filled, expected_filled);  // all else is zero
      }
    }
  }
}

// The layout is a contract with other backends: check it against the formula of packed_weight.h.
TEST(PackWeight, LayoutIsTheDeclaredOne) {
  PackedWeight w;
  w.N = 40;
  w.K = 50;
  for (const auto& [k, n] : {std::pair<int64_t, int64_t>{0, 0}, {1, 0}, {49, 39}, {31, 16}}) {
    w.dtype = DType::kBf16;
    EXPECT_EQ(packed_index(w, k, n), ((n / 16 * 64 / 2 + k / 2) * 16 + n % 16) * 2 + k % 2);
    w.dtype = DType::kF32;
    EXPECT_EQ(packed_index(w, k, n), (n / 16 * 64 + k) * 16 + n % 16);
  }
}

TEST(LoadVector, ConvertsEveryDtype) {
  std::mt19937 random(6);
  std::vector<uint32_t> raw(45);
  for (uint32_t& bits : raw) bits = static_cast<uint32_t>(random() & 0x3fff3fff);
  for (const DType source : {DType::kF32, DType::kBf16, DType::kF16}) {
    for (const DType dtype : {DType::kBf16, DType::kF32}) {
      const auto body = [&](Device& device) {
        const Tensor out = device.zeros(dtype, {45});
        load_vector(device.stream(), LoadVector{raw.data(), source, out});
        return std::vector<Tensor>{out};
      };
      test::expect_same_bits("load_vector", body);
      Device device(test::reference_level());
      const std::vector<float> found = device.get_floats(body(device)[0]);
      for (int64_t n = 0; n < 45; ++n) {
        ASSERT_EQ(found[n], rounded(load_element(raw.data(), source, n), dtype));
      }
    }
  }
}

// The halves of a gated product stand in alternate panels; what else is in them is not read.
PackedWeight put_gated(Device& device, DType dtype, int64_t F, int64_t K,
                       const std::vector<float>& gate, const std::vector<float>& up) {
  const PackedWeight w = allocate_packed(device.region(), dtype, gated_columns(F), K);
  const int64_t count = w.padded_columns() * w.padded_depth();
  const Tensor all = make_tensor(w.data, dtype, {count});
  const std::vector<float> nan(static_cast<size_t>(count), std::nanf(""));
  load_vector(device.stream(), {nan.data(), DType::kF32, all});
  for (const auto& [half, values] : {std::pair{0, &gate}, {1, &up}}) {
    PackWeight pack{values->data(), DType::kF32, F, K, K, w, half * kPanelColumns, 2};
    pack_weight(device.stream(), pack);
  }
  device.run();
  return w;
}

TEST(Linear, GatedIsOneHalfActivatedTimesTheOther) {
  constexpr int64_t kM = 5;
  for (const auto& [F, K] : {std::pair<int64_t, int64_t>{1, 32}, {16, 32}, {23, 64}, {40, 96}}) {
    std::mt19937 random(static_cast<unsigned>(F));
    const std::vector<float> x = random_floats(random, kM * K);
    const std::vector<float> gate = random_floats(random, F * K), up = random_floats(random, F * K);
    const std::vector<float> bias = random_floats(random, gated_columns(F));
    for (const DType dtype : {DType::kBf16, DType::kF32}) {
      for (const test::Level& level : test::cpu_levels()) {
        Device device(level);
        Linear gated;
        gated.x = device.put_rounded(dtype, {kM, K}, x);
        gated.w = put_gated(device, dtype, F, K, gate, up);
        gated.bias = device.put(DType::kF32, {gated_columns(F)}, bias);
        gated.activation = Activation::kSilu;
        gated.gated = true;
        gated.out = device.zeros(DType::kF32, {kM, F});
        linear(device.stream(), gated);
        Linear half = gated;
        half.gated = false;
        half.w = device.put_weight(dtype, F, K, gate);
        half.bias = {};
        half.activation = std::nullopt;
        half.out = device.zeros(DType::kF32, {kM, F});
        const Tensor gates = half.out;
        linear(device.stream(), half);
        half.w = device.put_weight(dtype, F, K, up);
        half.out = device.zeros(DType::kF32, {kM, F});
        linear(device.stream(), half);
        const std::vector<float> found = device.get<float>(gated.out);
        std::vector<float> sums = device.get<float>(gates), ups = device.get<float>(half.out);
        for (int64_t f = 0; f < F; ++f) {
          const int64_t at = f / kPanelColumns * 2 * kPanelColumns + f % kPanelColumns;
          for (int64_t m = 0; m < kM; ++m) {
            const float g = sums[m * F + f] + bias[at];
            const float wanted = silu(g) * (ups[m * F + f] + bias[at + kPanelColumns]);
            ASSERT_EQ(found[m * F + f], wanted) << level.name << " " << F << " " << m << " " << f;
          }
        }
      }
    }
  }
}

TEST(LinearDeathTest, GatedNeedsPairsOfPanelsAndAnActivation) {
  Device device(test::reference_level());
  Linear a;
  a.x = device.zeros(DType::kF32, {2, 8});
  a.w = allocate_packed(device.region(), DType::kF32, gated_columns(20), 8);
  a.out = device.zeros(DType::kF32, {2, 20});
  a.gated = true;
  EXPECT_DEATH(linear(device.stream(), a), "activation");
  a.activation = Activation::kSilu;
  a.out = device.zeros(DType::kF32, {2, 12});
  EXPECT_DEATH(linear(device.stream(), a), "gated_columns");
}

}  // namespace
}  // namespace tessera
