#include "engine/schedule/cost_model.h"

#include <gtest/gtest.h>

#include <random>

#include "engine/schedule/cost_history.h"

namespace tessera {
namespace {

StepShape shape_of(int64_t rows, int64_t first) {
  StepShape shape;
  shape.add(first, rows);
  return shape;
}

TEST(CostModel, CountsRowsContextsAndPairs) {
  StepShape shape;
  shape.add(10, 1);  // one row that sees 11 positions
  shape.add(0, 4);   // a prompt of four
  EXPECT_EQ(shape.rows, 5);
  EXPECT_EQ(shape.contexts, 11 + 4);
  EXPECT_EQ(shape.pairs, 11 + 1 + 2 + 3 + 4);
}

TEST(CostModel, InterpolatesBetweenMeasuredRowCounts) {
  const CostModel model({{1, 1.0}, {10, 1.9}, {20, 3.9}}, 0.5, 0.25);
  EXPECT_DOUBLE_EQ(model.predict({.rows = 1, .contexts = 0, .pairs = 0}), 1.0);
  EXPECT_DOUBLE_EQ(model.predict({.rows = 15, .contexts = 0, .pairs = 0}), 2.9);
  EXPECT_DOUBLE_EQ(model.predict({.rows = 10, .contexts = 2, .pairs = 4}), 1.9 + 1.0 + 1.0);
  EXPECT_DOUBLE_EQ(model.predict({.rows = 40, .contexts = 0, .pairs = 0}), 7.8);
  EXPECT_DOUBLE_EQ(CostModel().predict({.rows = 40, .contexts = 9, .pairs = 9}), 0.0);
}

TEST(CostModel, FindsTheKneeAndTheContextCostInNoisySamples) {
  std::mt19937 random(9);
  std::uniform_real_distribution<> noise(0.98, 1.02);
  const auto truth = [](const StepShape& shape) {
    const double rows = static_cast<double>(shape.rows);
    return 0.010 + (rows > 16 ? (rows - 16) * 0.0004 : 0) +
           2e-7 * static_cast<double>(shape.contexts) + 3e-8 * static_cast<double>(shape.pairs);
  };
  std::vector<StepSample> samples;
  for (const int64_t rows : {1, 4, 16, 64, 256}) {
    for (const int64_t first : {0, 500, 2000, 8000}) {
      for (int repeat = 0; repeat < 7; ++repeat) {
        StepShape shape = shape_of(rows, first);
        if (repeat % 2 == 1) {  // the same rows as decode rows of as many sequences
          shape = {};
          for (int64_t row = 0; row < rows; ++row) shape.add(first, 1);
        }
        double seconds = truth(shape) * noise(random);
        if (random() % 20 == 0) seconds *= 5;  // the machine was busy elsewhere
        samples.push_back({shape, seconds});
      }
    }
  }
  const CostModel model = CostModel::fit(samples);
  for (const int64_t rows : {1, 8, 16, 40, 64, 256}) {
    for (const int64_t first : {0, 1000, 8000}) {
      const StepShape shape = shape_of(rows, first);
      // 8 and 40 rows were not measured: they lie on the line between their neighbours.
      const double tolerance = rows == 8 || rows == 40 ? 0.25 : 0.1;
      EXPECT_NEAR(model.predict(shape) / truth(shape), 1, tolerance)
          << rows << " rows at " << first;
    }
  }
  const int64_t budget = model.token_budget(256, 1.0);
  EXPECT_GT(budget, 32);  // beyond the knee at 16 each row still gets cheaper for a while
  EXPECT_LT(budget, 128);
}

TEST(CostModel, NeverNegativeAndNeverFasterWithMoreRows) {
  std::mt19937 random(10);
  for (int round = 0; round < 200; ++round) {
    std::vector<StepSample> samples;
    for (int sample = 0; sample < 30; ++sample) {
      const StepShape shape = shape_of(1 + random() % 8, random() % 100);
      samples.push_back({shape, static_cast<double>(random() % 1000) / 1000});
    }
    const CostModel model = CostModel::fit(samples);
    EXPECT_GE(model.seconds_per_context(), 0);
    EXPECT_GE(model.seconds_per_pair(), 0);
    double before = 0;
    for (int64_t rows = 1; rows < 30; ++rows) {
      const double now = model.predict({.rows = rows, .contexts = 0, .pairs = 0});
      EXPECT_GE(now, before);
      before = now;
    }
  }
  EXPECT_TRUE(CostModel::fit({}).empty());
}

TEST(CostModel, RowsWithinIsTheLargestThatFits) {
  std::mt19937 random(11);
  const CostModel model({{1, 0.01}, {32, 0.012}, {256, 0.1}}, 1e-7, 1e-7);
  for (int round = 0; round < 2000; ++round) {
    StepShape so_far;
    so_far.add(random() % 4000, 1 + random() % 8);
    const int64_t first = random() % 4000, rows_max = 1 + random() % 300;
    const double target = 0.005 + static_cast<double>(random() % 100) / 1000;
    const int64_t rows = model.rows_within(so_far, first, rows_max, target);
    const auto seconds = [&](int64_t count) {
      StepShape shape = so_far;
      shape.add(first, count);
      return model.predict(shape);
    };
    ASSERT_LE(rows, rows_max);
    if (rows > 0) {
      ASSERT_LE(seconds(rows), target);
    }
    if (rows < rows_max) {
      ASSERT_GT(seconds(rows + 1), target);
    }
  }
}

TEST(CostModel, TheBudgetEndsWhereRowsNoLongerGetCheaper) {
  // Flat up to 32 rows, then a millisecond a row: beyond the knee the gain per row fades.
  const CostModel knee({{1, 0.032}, {32, 0.032}, {1024, 1.024}}, 0, 0);
  EXPECT_EQ(knee.token_budget(1024, 10, 0.01), 32);
  EXPECT_EQ(knee.token_budget(1024, 10, 0.25), 26);
  EXPECT_EQ(knee.token_budget(1024, 0.02), 1);  // not even one row fits the target
  const CostModel always({{1, 1.0}, {1024, 2.0}}, 0, 0);
  EXPECT_EQ(always.token_budget(1024, 10, 0.0), 1024);
  EXPECT_NEAR(static_cast<double>(always.token_budget(1024, 1.5, 0.0)), 512, 1);
  EXPECT_EQ(CostModel().token_budget(512, 1), 512);
}

TEST(CostHistory, FollowsAMachineThatGetsSlowerAlsoForShapesNotSeenSince) {
  const auto seconds = [](const StepShape& shape) {
    return 0.010 + 0.001 * static_cast<double>(shape.rows) +
           1e-6 * static_cast<double>(shape.pairs);
  };
  std::vector<StepSample> start;
  for (const int64_t rows : {1, 8, 64}) {
    for (const int64_t first : {0, 2000}) {
      start.push_back({shape_of(rows, first), seconds(shape_of(rows, first))});
    }
  }
  CostHistory history(start);
  EXPECT_FALSE(history.due());
  std::mt19937 random(3);
  CostModel model;
  // More steps than are kept, so that the oldest are forgotten: as fast as at the start at first.
  for (size_t step = 0; step < 3 * CostHistory::kStepsKept; ++step) {
    const StepShape shape = shape_of(8, random() % 4000);
    const double slower = step < CostHistory::kStepsKept ? 1 : 1.5;
    history.add({shape, slower * seconds(shape)});
    if (history.due()) model = history.fit();
  }
  EXPECT_FALSE(history.due());
  for (const int64_t first : {0, 1000, 4000}) {
    const StepShape shape = shape_of(8, first);
    EXPECT_NEAR(model.predict(shape) / (1.5 * seconds(shape)), 1, 0.05) << first;
  }
  EXPECT_NEAR(model.predict(shape_of(64, 0)) / (1.5 * seconds(shape_of(64, 0))), 1, 0.05);
}

}  // namespace
}  // namespace tessera
