#include <gtest/gtest.h>

#include "kernels/ops/embedding.h"
#include "support/kernel_device.h"

namespace tessera {
namespace {

using test::Device;

TEST(ResolveTokens, LiteralsReferencesAndHistory) {
  const auto body = [](Device& device) {
    ResolveTokens a;
    a.references = device.put_ints({7, -1, -3, 9, 4});
    a.slots = device.put_ints({1, 0, 2, -1, 1});
    a.positions = device.put_ints({0, 3, 1, 2, 1});
    a.last_tokens = device.put_ints({50, 51, 52});
    a.history = device.put(DType::kI32, {3, 4}, std::vector<int32_t>(12, -9));
    a.tokens = device.zeros(DType::kI32, {5});
    resolve_tokens(device.stream(), a);
    return std::vector<Tensor>{a.tokens, a.history};
  };
  test::expect_same_bits("resolve_tokens", body);
  Device device(test::reference_level());
  const std::vector<Tensor> out = body(device);
  EXPECT_EQ(device.get<int32_t>(out[0]), (std::vector<int32_t>{7, 50, 52, 9, 4}));
  EXPECT_EQ(device.get<int32_t>(out[1]),
            (std::vector<int32_t>{-9, -9, -9, 50, 7, 4, -9, -9, -9, 52, -9, -9}));
}

TEST(ResolveTokensDeathTest, HistoryIsBounded) {
  const auto write_behind_the_end = [] {
    Device device(test::reference_level());
    ResolveTokens a;
    a.references = device.put_ints({7});
    a.slots = device.put_ints({0});
    a.positions = device.put_ints({4});
    a.last_tokens = device.put_ints({0});
    a.history = device.zeros(DType::kI32, {1, 4});
    a.tokens = device.zeros(DType::kI32, {1});
    resolve_tokens(device.stream(), a);
    device.run();
  };
  EXPECT_DEATH(write_behind_the_end(), "position");
}

TEST(Embed, ColumnsOfTheTableZerosOutside) {
  const int64_t V = 37, D = 50;
  std::mt19937 random(1);
  const std::vector<float> table = test::random_floats(random, V * D);
  const std::vector<int32_t> tokens = {100, 136, 99, 137, -1, 117, 100};
  for (const DType dtype : {DType::kBf16, DType::kF32}) {
    const auto body = [&](Device& device) {
      Embed a;
      a.tokens = device.put_ints(tokens);
      a.table = device.put_weight(dtype, V, D, table);
      a.first = 100;
      a.residual =
          device.put(DType::kF32, {7, D}, std::vector<float>(static_cast<size_t>(7 * D), 3.0f));
      embed(device.stream(), a);
      return std::vector<Tensor>{a.residual};
    };
    test::expect_same_bits("embed", body);
    Device device(test::reference_level());
    const std::vector<float> found = device.get<float>(body(device)[0]);
    for (size_t t = 0; t < tokens.size(); ++t) {
      const int64_t column = tokens[t] - 100;
      for (int64_t d = 0; d < D; ++d) {
        const float truth = column >= 0 && column < V ? table[column * D + d] : 0.0f;
        ASSERT_EQ(found[t * D + d], dtype == DType::kF32 ? truth : to_f32(to_bf16(truth)));
      }
    }
  }
}

}  // namespace
}  // namespace tessera
