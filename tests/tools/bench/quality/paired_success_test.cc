// What the paired episodes say, against numbers worked out by hand.
#include "tools/bench/quality/paired_success.h"

#include <cmath>

#include "gtest/gtest.h"

namespace tessera {
namespace {

PairedSuccess counts(int both, int lost, int gained, int neither) {
  PairedSuccess pairs;
  for (int pair = 0; pair < both; ++pair) pairs.add(true, true);
  for (int pair = 0; pair < lost; ++pair) pairs.add(true, false);
  for (int pair = 0; pair < gained; ++pair) pairs.add(false, true);
  for (int pair = 0; pair < neither; ++pair) pairs.add(false, false);
  return pairs;
}

TEST(PairedSuccess, CountsPairsAndRates) {
  const PairedSuccess pairs = counts(700, 60, 50, 190);
  EXPECT_EQ(pairs.pairs(), 1000);
  EXPECT_DOUBLE_EQ(pairs.baseline_rate(), 0.76);
  EXPECT_DOUBLE_EQ(pairs.other_rate(), 0.75);
  EXPECT_EQ(pairs.lost(), 60);
  EXPECT_EQ(pairs.gained(), 50);
  EXPECT_DOUBLE_EQ(pairs.drop(), 0.01);
  // The variance of the differences 1, -1 and 0: (110 - 100 / 1000) / 1000 = 0.1099.
  const double margin = 1.96 * std::sqrt(0.1099 / 1000);
  EXPECT_NEAR(pairs.drop_high(), 0.01 + margin, 1e-12);
  EXPECT_NEAR(pairs.drop_low(), 0.01 - margin, 1e-12);
}

TEST(PairedSuccess, IsTheStandardErrorOfThePairedDifferences) {
  // The same from the differences themselves.
  const double differences[] = {1, 1, 1, -1, 0, 0, 0, 0, 0, 0};
  double mean = 0, square = 0;
  for (const double difference : differences) mean += difference / 10;
  for (const double difference : differences) square += (difference - mean) * (difference - mean);
  const PairedSuccess pairs = counts(3, 3, 1, 3);
  EXPECT_NEAR(pairs.drop(), mean, 1e-12);
  EXPECT_NEAR(pairs.drop_high(), mean + 1.96 * std::sqrt(square / 10 / 10), 1e-12);
}

TEST(PairedSuccess, WithoutADifferenceTheRuleOfThreeHolds) {
  const PairedSuccess pairs = counts(800, 0, 0, 200);
  EXPECT_EQ(pairs.drop(), 0);
  EXPECT_DOUBLE_EQ(pairs.drop_high(), 0.003);
  EXPECT_EQ(counts(1, 0, 0, 0).drop_high(), 1);
  EXPECT_EQ(PairedSuccess().drop_high(), 1);
}

TEST(Median, IsTheMiddle) {
  EXPECT_EQ(median_of({3, 1, 2}), 2);
  EXPECT_EQ(median_of({4, 1, 2, 3}), 2.5);
  EXPECT_EQ(median_of({}), 0);
}

}  // namespace
}  // namespace tessera
