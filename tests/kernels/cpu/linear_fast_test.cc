// Every level and thread count gives the bits of the scalar reference, whatever the shape.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "kernels/core/float_mode.h"
#include "kernels/cpu/execution.h"
#include "kernels/cpu/install.h"
#include "kernels/cpu/linear_blocking.h"
#include "support/random_product.h"

namespace tessera {
namespace {

std::vector<IsaLevel> fast_levels() {
  std::vector<IsaLevel> levels;
  for (const IsaLevel level : kIsaLevels) {
    if (level > IsaLevel::kScalar && level <= detect_isa()) levels.push_back(level);
  }
  return levels;
}

void expect_same_bits(const ProductCase& c, int threads, uint64_t seed) {
  const FlushSubnormals flush;
  Product product(c, seed);
  ComputePool alone(1), pool(threads);
  Execution scalar(alone, IsaLevel::kScalar);
  const auto wanted = product.run(reference_ops().linear, scalar);
  for (const IsaLevel level : fast_levels()) {
    Execution execution(pool, level);
    EXPECT_TRUE(product.run(cpu_ops(level).linear, execution) == wanted)
        << name_of(c) << ", " << name_of(level) << ", threads " << threads;
  }
}

TEST(LinearFast, EveryRowCountUpTo70) {
  for (int64_t M = 1; M <= 70; ++M) expect_same_bits({.M = M, .N = 80, .K = 96}, 1 + M % 4, 7);
}

TEST(LinearFast, EveryColumnRemainder) {
  for (int64_t N = 1; N <= 50; ++N) {
    expect_same_bits({.M = 3, .N = N, .K = 64, .bias = true}, 2, 8);
    expect_same_bits({.M = 3, .N = N, .K = 64, .out = DType::kBf16, .bias = true, .out_gap = 3}, 2,
                     9);
  }
}

TEST(LinearFast, EveryGatedColumnRemainder) {
  for (int64_t N = 1; N <= 50; ++N) {
    for (const DType out : {DType::kBf16, DType::kF32}) {
      expect_same_bits({.M = 7,
                        .N = N,
                        .K = 40,
                        .out = out,
                        .bias = N % 2 == 0,
                        .out_gap = 3,
                        .activation = Activation::kSilu,
                        .gated = true},
                       2, 19);
    }
  }
}

TEST(LinearFast, EveryDepthRemainder) {
  for (int64_t K = 1; K <= 70; ++K) {
    expect_same_bits({.M = 5, .N = 33, .K = K, .x_gap = 1}, 2, 10);
    expect_same_bits({.M = 5, .N = 33, .K = K, .weight = DType::kF32, .x_gap = 1}, 2, 11);
  }
}

std::optional<Activation> random_activation(RandomValues& random) {
  if (random.chance(0.5)) return std::nullopt;
  return static_cast<Activation>(random.integer(0, static_cast<int>(Activation::kMish)));
}

TEST(LinearFast, RandomShapes) {
  RandomValues random(12);
  for (int round = 0; round < 100; ++round) {
    ProductCase c = {.M = random.integer(1, 20),
                     .N = random.integer(1, 400),
                     .K = random.integer(1, 500),
                     .weight = random.chance(0.3) ? DType::kF32 : DType::kBf16,
                     .out = random.chance(0.5) ? DType::kF32 : DType::kBf16,
                     .bias = random.chance(0.5),
                     .x_gap = random.integer(0, 9),
                     .out_gap = random.integer(0, 9),
                     .activation = random_activation(random)};
    c.gated = c.activation.has_value() && random.chance(0.5);
    expect_same_bits(c, static_cast<int>(random.integer(1, 4)), 100 + round);
  }
}

TEST(LinearFast, SeveralRowBlocksAndManyTasks) {
  expect_same_bits({.M = 301, .N = 48, .K = 40}, 3, 13);
  expect_same_bits({.M = 150, .N = 70, .K = 130, .weight = DType::kF32, .bias = true}, 4, 14);
  expect_same_bits({.M = 2, .N = 3000, .K = 128, .bias = true}, 4, 15);
  expect_same_bits({.M = 200,
                    .N = 500,
                    .K = 96,
                    .out = DType::kBf16,
                    .activation = Activation::kGeluTanh,
                    .gated = true},
                   3, 20);
}

TEST(LinearFast, ARowHasItsBitsInAnyBatch) {
  const FlushSubnormals flush;
  const ProductCase all = {.M = 23, .N = 70, .K = 200};
  ComputePool pool(2);
  for (const IsaLevel level : fast_levels()) {
    Execution execution(pool, level);
    Product together(all, 16);
    const auto batched = together.run(cpu_ops(level).linear, execution);
    for (int64_t M = 1; M < all.M; ++M) {
      Product prefix(all, 16);
      prefix.keep_rows(M);
      const auto part = prefix.run(cpu_ops(level).linear, execution);
      EXPECT_TRUE(std::equal(part.begin(), part.end(), batched.begin())) << M;
    }
  }
}

TEST(LinearBlocking, CoversEveryRowAndPanelOnce) {
  RandomValues random(17);
  for (int round = 0; round < 2000; ++round) {
    const int64_t M = random.integer(1, 3000), panels = random.integer(1, 10000);
    const int64_t depth = 32 * random.integer(1, 600);
    const int threads = static_cast<int>(random.integer(1, 128));
    const int64_t row_step = random.chance(0.5) ? 6 : 32, panel_step = random.chance(0.5) ? 2 : 4;
    const LinearBlocking b = choose_linear_blocking({.M = M,
                                                     .panels = panels,
                                                     .row_bytes = depth * 4,
                                                     .panel_bytes = depth * 32,
                                                     .panel_products = depth * 16,
                                                     .row_step = row_step,
                                                     .panel_step = panel_step},
                                                    threads);
    EXPECT_LE(b.rows_per_block, LinearBlocking::kMaxRowsPerBlock);
    EXPECT_GE(b.row_blocks * b.rows_per_block, M);
    EXPECT_LT((b.row_blocks - 1) * b.rows_per_block, M);
    EXPECT_GE(b.panel_ranges * b.panels_per_task, panels);
    EXPECT_LT((b.panel_ranges - 1) * b.panels_per_task, panels);
    EXPECT_TRUE(b.panels_per_task % panel_step == 0 || b.panel_ranges == 1);
    EXPECT_EQ(b.rows_per_block % row_step, 0);
    std::set<std::pair<int64_t, int64_t>> tasks;
    for (int64_t task = 0; task < b.tasks(); ++task) {
      EXPECT_LT(b.row_block(task), b.row_blocks);
      EXPECT_LT(b.panel_range(task), b.panel_ranges);
      tasks.emplace(b.row_block(task), b.panel_range(task));
    }
    EXPECT_EQ(static_cast<int64_t>(tasks.size()), b.tasks());
  }
}

// Shapes of a small denoising network: weights of few panels are shared out all the same.
TEST(LinearBlocking, SmallWeightsWithManyRowsOccupyAllThreads) {
  for (const int64_t M : {64, 128, 512}) {
    const int64_t depth = 96, panels = 6;
    const LinearBlocking b = choose_linear_blocking({.M = M,
                                                     .panels = panels,
                                                     .row_bytes = depth * 4,
                                                     .panel_bytes = depth * 32,
                                                     .panel_products = depth * 16,
                                                     .row_step = 6,
                                                     .panel_step = 2},
                                                    2);
    EXPECT_GE(b.tasks(), 3) << M;
    EXPECT_LE(b.tasks(), 12) << M;
  }
}

}  // namespace
}  // namespace tessera
