#include "kernels/ops/norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "support/kernel_device.h"
#include "support/shapes.h"

namespace tessera {
namespace {

using test::Device;
using test::random_floats;

constexpr float kEps = 1e-5f;

struct NormInputs {
  int64_t T, D;
  std::vector<float> residual, delta, gain;
};

NormInputs norm_inputs(int64_t T, int64_t D) {
  std::mt19937 random(static_cast<unsigned>(T * 1000 + D));
  return {T, D, random_floats(random, T * D, 3.0f), random_floats(random, T * D),
          random_floats(random, D)};
}

// normed, residual
std::vector<Tensor> run_norm(Device& device, const NormInputs& in, DType dtype, bool add,
                             const std::vector<int32_t>* rows) {
  AddRmsNorm a;
  a.residual = device.put(DType::kF32, {in.T, in.D}, in.residual);
  if (add) a.delta = device.put(DType::kF32, {in.T, in.D}, in.delta);
  a.gain = device.put(DType::kF32, {in.D}, in.gain);
  if (rows != nullptr) a.rows = device.put_ints(*rows);
  a.normed =
      device.zeros(dtype, {rows != nullptr ? static_cast<int64_t>(rows->size()) : in.T, in.D});
  a.eps = kEps;
  add_rms_norm(device.stream(), a);
  return {a.normed, a.residual};
}

TEST(AddRmsNorm, SameBitsOnEveryLevel) {
  for (const std::vector<int64_t>& shape : test::read_shapes("rows", 2)) {
    const NormInputs in = norm_inputs(shape[0], shape[1]);
    const std::vector<int32_t> rows = {static_cast<int32_t>(in.T - 1), 0, 0};
    for (const DType dtype : {DType::kBf16, DType::kF32}) {
      for (const int form : {0, 1, 2}) {
        test::expect_same_bits("add_rms_norm", [&](Device& device) {
          return run_norm(device, in, dtype, form == 1, form == 2 ? &rows : nullptr);
        });
      }
    }
  }
}

TEST(AddRmsNorm, AgreesWithDoublePrecision) {
  for (const std::vector<int64_t>& shape : test::read_shapes("rows", 2)) {
    const NormInputs in = norm_inputs(shape[0], shape[1]);
    Device device(test::reference_level());
    const std::vector<Tensor> out = run_norm(device, in, DType::kF32, true, nullptr);
    const std::vector<float> normed = device.get<float>(out[0]), sum = device.get<float>(out[1]);
    for (int64_t t = 0; t < in.T; ++t) {
      double squares = 0;
      for (int64_t d = 0; d < in.D; ++d) {
        const int64_t at = t * in.D + d;
        ASSERT_EQ(sum[at], in.residual[at] + in.delta[at]);
        squares += static_cast<double>(sum[at]) * sum[at];
      }
      const double inverse = 1 / std::sqrt(squares / static_cast<double>(in.D) + kEps);
      for (int64_t d = 0; d < in.D; ++d) {
        const double truth = sum[t * in.D + d] * inverse * in.gain[d];
        ASSERT_NEAR(normed[t * in.D + d], truth, std::abs(truth) * 0x1p-19 + 1e-30);
      }
    }
  }
}

TEST(AddRmsNorm, ChosenRowsAreThoseOfTheWhole) {
  const NormInputs in = norm_inputs(9, 100);
  const std::vector<int32_t> rows = {8, 2, 2, 5};
  Device device(test::reference_level());
  const std::vector<float> all =
      device.get<float>(run_norm(device, in, DType::kF32, false, nullptr)[0]);
  const std::vector<Tensor> some = run_norm(device, in, DType::kF32, false, &rows);
  const std::vector<float> chosen = device.get<float>(some[0]);
  EXPECT_EQ(device.get<float>(some[1]), in.residual);
  for (size_t r = 0; r < rows.size(); ++r) {
    for (int64_t d = 0; d < in.D; ++d) {
      ASSERT_EQ(chosen[r * in.D + d], all[rows[r] * in.D + d]);
    }
  }
}

TEST(Rows, AddGatherScatterOnEveryLevel) {
  for (const std::vector<int64_t>& shape : test::read_shapes("rows", 2)) {
    const int64_t T = shape[0], D = shape[1];
    const NormInputs in = norm_inputs(T, D);
    std::vector<int32_t> rows(static_cast<size_t>(T));
    std::iota(rows.begin(), rows.end(), 0);
    std::mt19937 random(1);
    std::shuffle(rows.begin(), rows.end(), random);
    const auto body = [&](Device& device) {
      const Tensor residual = device.put(DType::kF32, {T, D}, in.residual);
      const Tensor delta = device.put(DType::kF32, {T, D}, in.delta);
      const Tensor index = device.put_ints(rows);
      std::vector<int32_t> gaps = rows;
      gaps[0] = -1;
      const Tensor with_gap = device.put_ints(gaps);
      const Tensor gathered = device.put(DType::kF32, {T, D}, in.residual);
      const Tensor scattered = device.put(DType::kF32, {T, D}, in.residual);
      add_rows(device.stream(), AddRows{delta, {}, residual});
      add_rows(device.stream(), AddRows{delta, index, residual});
      gather_rows(device.stream(), GatherRows{delta, with_gap, gathered});
      scatter_rows(device.stream(), ScatterRows{delta, with_gap, scattered});
      return std::vector<Tensor>{residual, gathered, scattered};
    };
    test::expect_same_bits("rows", body);
    Device device(test::reference_level());
    const std::vector<Tensor> out = body(device);
    const std::vector<float> added = device.get<float>(out[0]);
    const std::vector<float> gathered = device.get<float>(out[1]);
    const std::vector<float> scattered = device.get<float>(out[2]);
    for (int64_t r = 0; r < T; ++r) {
      const int64_t row = rows[r];
      for (int64_t d = 0; d < D; ++d) {
        const float once = in.residual[row * D + d] + in.delta[row * D + d];
        ASSERT_EQ(added[row * D + d], once + in.delta[r * D + d]);
        ASSERT_EQ(gathered[r * D + d], r == 0 ? in.residual[d] : in.delta[row * D + d]);
        ASSERT_EQ(scattered[row * D + d], r == 0 ? in.residual[row * D + d] : in.delta[r * D + d]);
      }
    }
  }
}

TEST(Rows, GatherMovesAnyDtype) {
  Device device(test::reference_level());
  const std::vector<int16_t> values = {1, 2, 3, 4, 5, 6};
  const Tensor in = device.put(DType::kI16, {3, 2}, values);
  const Tensor out = device.zeros(DType::kBf16, {2, 2});
  gather_rows(device.stream(), GatherRows{in, device.put_ints({2, 0}), out});
  EXPECT_EQ(device.get<int16_t>(out), (std::vector<int16_t>{5, 6, 1, 2}));
}

}  // namespace
}  // namespace tessera
