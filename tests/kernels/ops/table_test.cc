#include "kernels/ops/table.h"

#include <gtest/gtest.h>

#include "kernels/ops/philox.h"
#include "support/kernel_device.h"

namespace tessera {
namespace {

TEST(OpTable, EveryCpuLevelIsComplete) {
  EXPECT_THAT(missing_ops(reference_ops()), testing::IsEmpty());
  for (const test::Level& level : test::cpu_levels()) {
    EXPECT_THAT(missing_ops(*level.ops), testing::IsEmpty()) << level.name;
    check_complete(*level.ops);
  }
}

TEST(OpTable, VisitsEveryFieldAndNamesWhatIsMissing) {
  OpTable table;
  const size_t ops = (sizeof(OpTable) - offsetof(OpTable, linear)) / sizeof(void*);
  EXPECT_EQ(missing_ops(table).size(), ops + 2);
  table = reference_ops();
  table.verify = nullptr;
  EXPECT_EQ(missing_ops(table), std::vector<std::string>{"verify"});
  EXPECT_DEATH(check_complete(table), "backend reference lacks op verify");
}

TEST(ExpectDeathTest, NamesTensorAndShapes) {
  test::Device device(test::reference_level());
  const Tensor in = device.zeros(DType::kF32, {3, 10});
  const auto run = [&](const Tensor& out) {
    activate(device.stream(), {.in = in, .kind = Activation::kSilu, .out = out});
  };
  EXPECT_DEATH(run(device.zeros(DType::kF32, {3, 12})),
               "tensor in is f32 .3, 10., expected f32 .M=3, F=12.");
  EXPECT_DEATH(run(device.zeros(DType::kI32, {3, 5})), "tensor out is i32 .3, 5., expected bf16");
}

// Known answers published with the generator.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, {0, 0}),
            (PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(
      philox4x32_10({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
      (PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(
      philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
      (PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, EveryArgumentMatters) {
  const uint64_t bits = philox_bits(1, 2, 3, 4, DrawPurpose::kSample);
  EXPECT_NE(bits, philox_bits(0, 2, 3, 4, DrawPurpose::kSample));
  EXPECT_NE(bits, philox_bits(1, 0, 3, 4, DrawPurpose::kSample));
  EXPECT_NE(bits, philox_bits(1, 2, 0, 4, DrawPurpose::kSample));
  EXPECT_NE(bits, philox_bits(1, 2, 3, 0, DrawPurpose::kSample));
  EXPECT_NE(bits, philox_bits(1, 2, 3, 4, DrawPurpose::kAccept));
}

}  // namespace
}  // namespace tessera
