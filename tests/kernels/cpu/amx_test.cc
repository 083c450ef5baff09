// The tile kernels give the bits of the scalar reference: on emulated tiles everywhere, and on the
// hardware's where it has them (linear_fast_test and attention_fast_test cover level kAmx there).
#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "kernels/core/float_mode.h"
#include "kernels/cpu/amx/hardware_tiles.h"
#include "kernels/cpu/amx/linear_op.h"
#include "support/emulated_tiles.h"
#include "support/random_product.h"

namespace tessera {
namespace {

Progress linear_on_emulated_tiles(Execution& execution, const Linear& args) {
  linear_on_tiles<EmulatedTiles>(execution, args, best_finish_columns());
  return Progress::kDone;
}

void expect_same_bits(const ProductCase& c, int threads, uint64_t seed) {
  if (detect_isa() == IsaLevel::kScalar) GTEST_SKIP() << "no fused multiply-add";
  const FlushSubnormals flush;
  Product product(c, seed);
  ComputePool alone(1), pool(threads);
  Execution scalar(alone, IsaLevel::kScalar), execution(pool, detect_isa());
  EXPECT_TRUE(product.run(linear_on_emulated_tiles, execution) ==
              product.run(reference_ops().linear, scalar))
      << name_of(c) << ", threads " << threads;
}

TEST(Amx, EveryRowCountUpTo70) {
  for (int64_t M = 1; M <= 70; ++M) {
    expect_same_bits({.M = M, .N = 80, .K = 96}, static_cast<int>(1 + M % 4), 21);
  }
}

TEST(Amx, EveryPanelCountAndColumnRemainder) {
  for (int64_t N = 1; N <= 150; N += 3) {
    expect_same_bits({.M = 17, .N = N, .K = 64, .bias = true}, 2, 22);
    expect_same_bits({.M = 40, .N = N, .K = 33, .out = DType::kBf16, .out_gap = 3}, 1, 23);
  }
}

TEST(Amx, SumsAreKeptBetweenChunksOfK) {
  // Three row tiles or more take K in chunks of 512.
  expect_same_bits({.M = 48, .N = 70, .K = 1100, .bias = true, .x_gap = 5}, 2, 24);
  expect_same_bits({.M = 7, .N = 70, .K = 1100}, 2, 25);
}

TEST(Amx, SeveralRowBlocks) {
  expect_same_bits({.M = 301, .N = 48, .K = 40}, 3, 26);
  expect_same_bits({.M = 129, .N = 400, .K = 512}, 4, 27);
}

#if defined(__x86_64__)
// One product of tiles on the hardware and in the emulation.
TEST(Amx, TheEmulationDoesWhatTheHardwareDoes) {
  if (detect_isa() < IsaLevel::kAmx) GTEST_SKIP() << "this machine has no AMX";
  const FlushSubnormals flush;
  RandomValues values(28);
  for (int round = 0; round < 200; ++round) {
    const auto left = values.elements(512, DType::kBf16),
               right = values.elements(512, DType::kBf16);
    const auto before = values.elements(256, DType::kF32);
    const auto run = [&]<class Tiles>(std::vector<std::byte> sums) {
      Tiles::configure();
      Tiles::template load<0>(sums.data(), 64);
      Tiles::template load<1>(left.data(), 64);
      Tiles::template load<2>(right.data(), 64);
      Tiles::template dot<0, 1, 2>();
      Tiles::template store<0>(sums.data(), 64);
      Tiles::release();
      return sums;
    };
    EXPECT_TRUE(run.template operator()<HardwareTiles>(before) ==
                run.template operator()<EmulatedTiles>(before));
  }
}
#endif

}  // namespace
}  // namespace tessera
