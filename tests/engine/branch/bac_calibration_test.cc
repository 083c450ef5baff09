#include "engine/branch/bac_calibration.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

TEST(ChooseUpdates, TheToyMatrix) {
  std::vector<double> similarity;
  for (int a = 0; a < 8; ++a) {
    for (int t = 0; t < 8; ++t) similarity.push_back(1 - std::abs(a * a - t * t) / 64.0);
  }
  const std::vector<std::pair<std::vector<int>, double>> expected = {
      {{0}, 5.8125}, {{0, 5}, 6.984375}, {{0, 4, 6}, 7.4375}, {{0, 3, 5, 7}, 7.640625}};
  for (const auto& [updates, value] : expected) {
    const int count = static_cast<int>(updates.size());
    EXPECT_EQ(choose_updates(similarity, 8, count), updates);
    EXPECT_EQ(value_of_updates(similarity, 8, updates, SegmentValue::kToFirst), value);
  }
}

// Every choice of `updates` steps that contains step 0.
std::vector<std::vector<int>> all_choices(int steps, int updates) {
  std::vector<std::vector<int>> choices;
  for (int mask = 0; mask < 1 << (steps - 1); ++mask) {
    std::vector<int> choice{0};
    for (int step = 1; step < steps; ++step) {
      if (mask >> (step - 1) & 1) choice.push_back(step);
    }
    if (static_cast<int>(choice.size()) == updates) choices.push_back(choice);
  }
  return choices;
}

double value_by_hand(const std::vector<double>& similarity, int steps,
                     const std::vector<int>& choice, SegmentValue value) {
  double sum = 0;
  int first = 0;
  for (int step = 0; step < steps; ++step) {
    const bool begins = std::find(choice.begin(), choice.end(), step) != choice.end();
    if (begins) first = step;
    if (value == SegmentValue::kToFirst) sum += similarity[first * steps + step];
    if (value == SegmentValue::kConsecutive && !begins)
      sum += similarity[(step - 1) * steps + step];
  }
  return sum;
}

// Small whole numbers, so that sums are exact and ties are many.
TEST(ChooseUpdates, EqualsExhaustiveSearch) {
  std::mt19937 random(2);
  for (int steps = 1; steps <= 12; ++steps) {
    for (int trial = 0; trial < 4; ++trial) {
      std::vector<double> similarity(steps * steps);
      for (double& entry : similarity) entry = static_cast<double>(random() % 7) - 3;
      for (SegmentValue value : {SegmentValue::kToFirst, SegmentValue::kConsecutive}) {
        for (int updates = 1; updates <= steps; ++updates) {
          std::vector<std::vector<int>> choices = all_choices(steps, updates);
          double best = -1e9;
          for (const auto& choice : choices) {
            best = std::max(best, value_by_hand(similarity, steps, choice, value));
          }
          std::erase_if(choices, [&](const std::vector<int>& choice) {
            return value_by_hand(similarity, steps, choice, value) != best;
          });
          // Of equals: the last segment begins earliest, then the one before it.
          const auto chosen =
              *std::min_element(choices.begin(), choices.end(), [](const auto& a, const auto& b) {
                return std::lexicographical_compare(a.rbegin(), a.rend(), b.rbegin(), b.rend());
              });
          ASSERT_EQ(choose_updates(similarity, steps, updates, value), chosen);
          ASSERT_EQ(value_of_updates(similarity, steps, chosen, value), best);
        }
      }
    }
  }
}

// With late steps counted more, and over several branches that share their steps.
TEST(ChooseUpdates, OfWeighedBranchesTogetherEqualsExhaustiveSearch) {
  std::mt19937 random(12);
  for (int steps = 1; steps <= 12; ++steps) {
    for (const double late : {0.0, 0.5, 2.0}) {
      std::vector<std::vector<double>> branches(3);
      std::vector<double> sum(steps * steps);
      for (std::vector<double>& branch : branches) {
        for (int at = 0; at < steps * steps; ++at) {
          branch.push_back(-static_cast<double>(random() % 1000));
        }
        std::vector<double> weighed = branch;
        weigh_late_steps(weighed, steps, late, BranchMetric::kL1);
        for (int at = 0; at < steps * steps; ++at) sum[at] += weighed[at];
      }
      const auto worth = [&](const std::vector<int>& choice) {
        double worth = 0;
        int first = 0;
        for (int step = 0; step < steps; ++step) {
          if (std::find(choice.begin(), choice.end(), step) != choice.end()) first = step;
          for (const std::vector<double>& branch : branches) {
            worth += branch[first * steps + step] * std::pow((step + 1.0) / steps, late);
          }
        }
        return worth;
      };
      for (int updates = 1; updates <= steps; ++updates) {
        double best = -1e9;
        for (const auto& choice : all_choices(steps, updates)) {
          best = std::max(best, worth(choice));
        }
        ASSERT_NEAR(worth(choose_updates(sum, steps, updates)), best, 1e-9);
      }
    }
  }
}

TEST(WeighLateSteps, CountsDistanceFromPerfectLikenessOfTheServedStep) {
  std::vector<double> distances{0, -4, -4, 0};
  weigh_late_steps(distances, 2, 1, BranchMetric::kMse);
  EXPECT_THAT(distances, ElementsAre(0, -4, -2, 0));
  std::vector<double> cosines{1, 0.5, 0.5, 1};
  weigh_late_steps(cosines, 2, 2, BranchMetric::kCosine);
  EXPECT_THAT(cosines, ElementsAre(1, 0.5, 0.875, 1));
  std::vector<double> same = distances;
  weigh_late_steps(same, 2, 0, BranchMetric::kL2);
  EXPECT_EQ(same, distances);
}

// A branch that changes evenly: the later steps count, the closer together they are computed.
TEST(WeighLateSteps, MovesUpdatesToTheEnd) {
  const int steps = 60, updates = 8;
  std::vector<double> similarity;
  for (int at = 0; at < steps * steps; ++at) {
    similarity.push_back(-std::abs(at / steps - at % steps));
  }
  const auto middle = [&](double late) {
    std::vector<double> weighed = similarity;
    weigh_late_steps(weighed, steps, late, BranchMetric::kL1);
    const std::vector<int> chosen = choose_updates(weighed, steps, updates);
    return chosen[updates / 2];
  };
  EXPECT_LT(middle(0), middle(1));
  EXPECT_LT(middle(1), middle(3));
}

TEST(ChooseUpdates, AllStepsAndOne) {
  const std::vector<double> similarity(36, 0.5);
  EXPECT_THAT(choose_updates(similarity, 6, 6), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(choose_updates(similarity, 6, 60), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(choose_updates(similarity, 6, 1), ElementsAre(0));
}

TEST(ChooseUpdates, MoreUpdatesAreNeverWorse) {
  std::mt19937 random(4);
  std::vector<float> outputs(40 * 12);
  for (size_t at = 0; at < outputs.size(); ++at) {
    const float before = at < 12 ? 0 : outputs[at - 12];
    outputs[at] = 0.8f * before + std::normal_distribution<float>()(random);
  }
  for (BranchMetric metric :
       {BranchMetric::kCosine, BranchMetric::kMse, BranchMetric::kL1, BranchMetric::kL2}) {
    const auto similarity = branch_similarity(outputs, 40, metric);
    ASSERT_TRUE(similarity.ok());
    double before = -1e9;
    for (int updates = 1; updates <= 40; ++updates) {
      const double value = value_of_updates(
          *similarity, 40, choose_updates(*similarity, 40, updates), SegmentValue::kToFirst);
      ASSERT_GE(value, before - 1e-9);
      before = value;
    }
  }
}

TEST(BranchSimilarity, OfFewNumbers) {
  const std::vector<float> outputs{3, 4, 4, 3, 0, 0};
  const auto cosine = *branch_similarity(outputs, 3, BranchMetric::kCosine);
  EXPECT_DOUBLE_EQ(cosine[0], 1);
  EXPECT_DOUBLE_EQ(cosine[1], 24.0 / 25);
  EXPECT_DOUBLE_EQ(cosine[3], cosine[1]);
  EXPECT_DOUBLE_EQ(cosine[2], 0);
  EXPECT_DOUBLE_EQ(cosine[8], 1) << "nothing is like nothing";
  EXPECT_DOUBLE_EQ((*branch_similarity(outputs, 3, BranchMetric::kMse))[1], -1);
  EXPECT_DOUBLE_EQ((*branch_similarity(outputs, 3, BranchMetric::kL1))[2], -3.5);
  EXPECT_DOUBLE_EQ((*branch_similarity(outputs, 3, BranchMetric::kL2))[2], -5);
  EXPECT_DOUBLE_EQ(branch_error(outputs, 3), (1 + 3.5 + 3.5) / 3);
}

TEST(BranchSimilarity, RefusesWhatItCannotCompare) {
  EXPECT_FALSE(branch_similarity(std::vector<float>{1, NAN}, 2, BranchMetric::kCosine).ok());
  EXPECT_FALSE(branch_similarity(std::vector<float>{1, 2, 3}, 2, BranchMetric::kCosine).ok());
  EXPECT_FALSE(branch_similarity(std::vector<float>{}, 2, BranchMetric::kCosine).ok());
  EXPECT_FALSE(branch_similarity(std::vector<float>{1}, 0, BranchMetric::kCosine).ok());
}

std::vector<CalibratedUnit> random_units(std::mt19937& random, int layers, int steps) {
  std::vector<CalibratedUnit> units;
  for (int layer = 0; layer < layers; ++layer) {
    for (const char* kind : {"self", "cross", "mlp"}) {
      CalibratedUnit unit{.name = std::to_string(layer) + "." + kind,
                          .layer = layer,
                          .mlp = std::string(kind) == "mlp",
                          .error = static_cast<double>(random() % 1000),
                          .updates = {0}};
      for (int step = 1; step < steps; ++step) {
        if (random() % 5 == 0) unit.updates.push_back(step);
      }
      units.push_back(unit);
    }
  }
  return units;
}

TEST(BubbleUp, AddsTheStepsOfDownstreamMlpsToTheWorst) {
  const std::vector<CalibratedUnit> units = {{"0.self", 0, false, 5, {0, 2}},
                                             {"0.mlp", 0, true, 1, {0, 3}},
                                             {"1.self", 1, false, 2, {0, 4}},
                                             {"1.mlp", 1, true, 9, {0, 5}}};
  const auto updates = [&](const BubblingRule& rule) {
    std::vector<std::vector<int>> all;
    for (const CalibratedUnit& unit : bubble_up(units, rule)) all.push_back(unit.updates);
    return all;
  };
  EXPECT_THAT(updates({.count = 2}), ElementsAre(ElementsAre(0, 2, 3, 5), ElementsAre(0, 3),
                                                 ElementsAre(0, 4), ElementsAre(0, 5)));
  EXPECT_THAT(updates({.count = 2, .later_only = true})[0], ElementsAre(0, 2, 5));
  EXPECT_THAT(updates({.count = 2, .mlp_only = true})[1], ElementsAre(0, 3, 5));
  EXPECT_THAT(updates({.count = 2, .mlp_only = true})[0], ElementsAre(0, 2));
  EXPECT_THAT(updates({.count = 0})[0], ElementsAre(0, 2));
  EXPECT_THAT(updates({.count = 99})[2], ElementsAre(0, 4, 5));
}

TEST(BubbleUp, IsASupersetIdempotentAndIndependentOfOrder) {
  std::mt19937 random(9);
  for (int trial = 0; trial < 100; ++trial) {
    const std::vector<CalibratedUnit> units = random_units(random, 4, 30);
    const BubblingRule rule{.count = static_cast<int>(random() % 13),
                            .mlp_only = random() % 2 == 0,
                            .later_only = random() % 2 == 0};
    const std::vector<CalibratedUnit> once = bubble_up(units, rule);
    const std::vector<CalibratedUnit> twice = bubble_up(once, rule);
    std::vector<CalibratedUnit> shuffled = units;
    // Equal errors are taken in the order given, so make them different.
    for (size_t at = 0; at < shuffled.size(); ++at)
      shuffled[at].error += 1e-6 * static_cast<double>(at);
    const std::vector<CalibratedUnit> distinct = bubble_up(shuffled, rule);
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    const std::vector<CalibratedUnit> mixed = bubble_up(shuffled, rule);
    for (size_t at = 0; at < units.size(); ++at) {
      ASSERT_TRUE(std::includes(once[at].updates.begin(), once[at].updates.end(),
                                units[at].updates.begin(), units[at].updates.end()));
      ASSERT_EQ(once[at].updates, twice[at].updates);
      const auto same = std::find_if(mixed.begin(), mixed.end(), [&](const CalibratedUnit& unit) {
        return unit.name == units[at].name;
      });
      ASSERT_EQ(same->updates, distinct[at].updates);
    }
  }
}

}  // namespace
}  // namespace tessera
