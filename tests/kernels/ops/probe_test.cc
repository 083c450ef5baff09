#include "kernels/ops/probe.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/kernel_device.h"
#include "support/shapes.h"

namespace tessera {
namespace {

using test::Device;
using test::random_floats;

struct Probe {
  int64_t T, D;
  bool listed;
  std::vector<float> a, b;
  std::vector<int32_t> a_rows, b_rows, segments;

  float at(const std::vector<float>& tensor, const std::vector<int32_t>& rows, int64_t k,
           int64_t d) const {
    return tensor[(listed ? rows[k] : k) * D + d];
  }
};

// Segments of all lengths, among them an empty one, with gaps between them.
Probe make_probe(int64_t T, int64_t D, bool listed) {
  std::mt19937 random(static_cast<unsigned>(T * 100 + D));
  Probe probe{T, D, listed, random_floats(random, T * D), random_floats(random, T * D), {}, {}, {}};
  for (int64_t k = 0; k < T; ++k) {
    probe.a_rows.push_back(static_cast<int32_t>(random() % T));
    probe.b_rows.push_back(static_cast<int32_t>(random() % T));
  }
  const int32_t rows = static_cast<int32_t>(T);
  probe.segments = {0, rows / 2, rows / 2, 0, (rows + 1) / 2, rows - (rows + 1) / 2};
  return probe;
}

// [S, 2], [S, 3]
std::vector<Tensor> run_probe(Device& device, const Probe& probe) {
  const int64_t S = static_cast<int64_t>(probe.segments.size()) / 2;
  RowPairs pairs{};
  pairs.a = device.put(DType::kF32, {probe.T, probe.D}, probe.a);
  pairs.b = device.put(DType::kF32, {probe.T, probe.D}, probe.b);
  if (probe.listed) pairs.a_rows = device.put_ints(probe.a_rows);
  if (probe.listed) pairs.b_rows = device.put_ints(probe.b_rows);
  pairs.segments = device.put(DType::kI32, {S, 2}, probe.segments);
  const Tensor l1 = device.zeros(DType::kF32, {S, 2}), dots = device.zeros(DType::kF32, {S, 3});
  relative_l1(device.stream(), {.pairs = pairs, .out = l1});
  dot_products(device.stream(), {.pairs = pairs, .out = dots});
  return {l1, dots};
}

std::vector<Probe> probes() {
  std::vector<Probe> all;
  for (const std::vector<int64_t>& shape : test::read_shapes("rows", 2)) {
    for (const bool listed : {false, true}) all.push_back(make_probe(shape[0], shape[1], listed));
  }
  all.push_back(make_probe(300, 384, true));
  return all;
}

TEST(Probe, SameBitsOnEveryLevel) {
  for (const Probe& probe : probes()) {
    test::expect_same_bits("probe", [&](Device& device) { return run_probe(device, probe); });
  }
}

TEST(Probe, AgreesWithDoublePrecision) {
  for (const Probe& probe : probes()) {
    Device device(test::reference_level());
    const std::vector<Tensor> out = run_probe(device, probe);
    const std::vector<float> l1 = device.get<float>(out[0]), dots = device.get<float>(out[1]);
    for (size_t s = 0; s < probe.segments.size() / 2; ++s) {
      double away = 0, size = 0, ab = 0, aa = 0, bb = 0, magnitude = 0;
      for (int64_t pair = 0; pair < probe.segments[2 * s + 1]; ++pair) {
        for (int64_t d = 0; d < probe.D; ++d) {
          const int64_t k = probe.segments[2 * s] + pair;
          const double a = probe.at(probe.a, probe.a_rows, k, d);
          const double b = probe.at(probe.b, probe.b_rows, k, d);
          away += std::abs(a - b);
          size += std::abs(b);
          ab += a * b;
          aa += a * a;
          bb += b * b;
          magnitude += std::abs(a * b);
        }
      }
      EXPECT_NEAR(l1[s * 2], away, away * 1e-6);
      EXPECT_NEAR(l1[s * 2 + 1], size, size * 1e-6);
      EXPECT_NEAR(dots[s * 3], ab, magnitude * 1e-6);
      EXPECT_NEAR(dots[s * 3 + 1], aa, aa * 1e-6);
      EXPECT_NEAR(dots[s * 3 + 2], bb, bb * 1e-6);
    }
  }
}

// A job's decision must not depend on its batch-mates.
TEST(Probe, ASegmentAloneHasTheSameBits) {
  const Probe together = make_probe(40, 100, true);
  for (const test::Level& level : test::cpu_levels()) {
    Device device(level);
    const std::vector<Tensor> all = run_probe(device, together);
    const std::vector<float> l1 = device.get<float>(all[0]), dots = device.get<float>(all[1]);
    Probe alone = together;
    alone.segments = {together.segments[4], together.segments[5]};
    const std::vector<Tensor> one = run_probe(device, alone);
    const std::vector<float> alone_l1 = device.get<float>(one[0]);
    const std::vector<float> alone_dots = device.get<float>(one[1]);
    EXPECT_TRUE(std::equal(alone_l1.begin(), alone_l1.end(), l1.begin() + 4)) << level.name;
    EXPECT_TRUE(std::equal(alone_dots.begin(), alone_dots.end(), dots.begin() + 6)) << level.name;
  }
}

TEST(ProbeDeathTest, RefusesWhatDoesNotFit) {
  Device device(test::reference_level());
  RowPairs pairs{};
  pairs.a = device.zeros(DType::kF32, {4, 8});
  pairs.b = device.zeros(DType::kF32, {3, 8});
  pairs.segments = device.put(DType::kI32, {1, 2}, std::vector<int32_t>{0, 3});
  const Tensor two = device.zeros(DType::kF32, {1, 2}), three = device.zeros(DType::kF32, {1, 3});
  EXPECT_DEATH(relative_l1(device.stream(), {.pairs = pairs, .out = three}), "out");
  EXPECT_DEATH(dot_products(device.stream(), {.pairs = pairs, .out = two}), "out");
  RowPairs narrow = pairs;
  narrow.b = device.zeros(DType::kF32, {3, 7});
  EXPECT_DEATH(relative_l1(device.stream(), {.pairs = narrow, .out = two}), "tensor b");
  narrow = pairs;
  narrow.a_rows = device.put_ints({0, 1, 2});
  narrow.b_rows = device.put_ints({0, 1});
  EXPECT_DEATH(relative_l1(device.stream(), {.pairs = narrow, .out = two}), "b_rows");
  for (const test::Level& level : {test::reference_level(), test::cpu_levels().back()}) {
    for (const std::vector<int32_t>& segment : std::vector<std::vector<int32_t>>{{1, 3}, {-1, 2}}) {
      EXPECT_DEATH(
          {
            Device other(level);
            RowPairs outside{};
            outside.a = other.zeros(DType::kF32, {4, 8});
            outside.b = other.zeros(DType::kF32, {3, 8});
            outside.segments = other.put(DType::kI32, {1, 2}, segment);
            relative_l1(other.stream(),
                        {.pairs = outside, .out = other.zeros(DType::kF32, {1, 2})});
            other.run();
          },
          "row >= 0");
    }
  }
}

}  // namespace
}  // namespace tessera
