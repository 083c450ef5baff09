#include "engine/denoise/noise_schedule.h"

#include "engine/denoise/sinusoid.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

void expect_products(const NoiseScheduleParams& params,
                     const std::vector<std::pair<int, double>>& expected, double tolerance) {
  const std::vector<float> products = alpha_products(params);
  ASSERT_EQ(static_cast<int64_t>(products.size()), params.num_train_timesteps);
  for (const auto& [t, product] : expected) {
    EXPECT_NEAR(products[t], product, tolerance * product) << t;
  }
}

TEST(NoiseSchedule, ProductsOfTheThreeSchedules) {
  expect_products({.beta_schedule = BetaSchedule::kLinear},
                  {{0, .9999},
                   {1, .99978009},
                   {250, .52142303},
                   {500, .077796658},
                   {750, .0033001584},
                   {999, 4.0358298e-05}},
                  3e-7);
  expect_products(
      {.beta_start = .00085, .beta_end = .012, .beta_schedule = BetaSchedule::kScaledLinear},
      {{0, .99915}, {500, .27633268}, {999, .0046600985}}, 1e-6);
  // The largest betas lose digits against 1 in f32, as they do where such models are trained.
  expect_products({.num_train_timesteps = 100, .beta_schedule = BetaSchedule::kSquaredCosine},
                  {{0, .99936872}, {1, .99825249}, {50, .47826463}, {98, 2.4285723e-4}}, 2e-6);
  expect_products({.num_train_timesteps = 100, .beta_schedule = BetaSchedule::kSquaredCosine},
                  {{99, 2.4285723e-7}}, 6e-5);
}

TEST(NoiseSchedule, OneTimestepAndDescent) {
  EXPECT_EQ(alpha_products({.num_train_timesteps = 1}).size(), 1u);
  const std::vector<float> products = alpha_products({});
  for (size_t t = 1; t < products.size(); ++t) ASSERT_LT(products[t], products[t - 1]);
}

TEST(Sinusoid, BothPublishedForms) {
  const auto near = [](double value) {
    return ::testing::FloatNear(static_cast<float>(value), 6e-5f);
  };
  const std::vector<float> plain = sinusoid(500, 256, 0, true);
  EXPECT_THAT(std::vector<float>(plain.begin(), plain.begin() + 3),
              ::testing::ElementsAre(near(-.8838), near(.9459), near(.8485)));
  EXPECT_THAT(std::vector<float>(plain.begin() + 126, plain.begin() + 130),
              ::testing::ElementsAre(near(.9983), near(.9986), near(-.4678), near(.3243)));
  const std::vector<float> shifted = sinusoid(500, 256, 1, true);
  EXPECT_THAT(std::vector<float>(shifted.begin(), shifted.begin() + 3),
              ::testing::ElementsAre(near(-.8838), near(.9978), near(.4993)));
  EXPECT_THAT(std::vector<float>(shifted.begin() + 126, shifted.begin() + 130),
              ::testing::ElementsAre(near(.9986), near(.9988), near(-.4678), near(.0667)));
  const std::vector<float> sines_first = sinusoid(500, 256, 1, false);
  EXPECT_EQ(sines_first[128], shifted[0]);
  EXPECT_EQ(sines_first[0], shifted[128]);
}

}  // namespace
}  // namespace tessera
