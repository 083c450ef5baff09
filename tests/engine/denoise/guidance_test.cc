#include "engine/denoise/guidance.h"

#include <cmath>
#include <limits>

#include "engine/denoise/guidance/adaptive_guidance.h"
#include "engine/denoise/guidance/classifier_free.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

GuidancePolicies policies() {
  GuidancePolicies all{"guidance policy"};
  all.add<ClassifierFree, ClassifierFreeParams>("classifier_free");
  all.add<AdaptiveGuidance, AdaptiveGuidanceParams>("adaptive_guidance");
  return all;
}

std::unique_ptr<Guidance> make(const std::string& name, const PolicyParams& params,
                               const GuidanceJob& job = {}) {
  auto made = policies().make(name, params, job);
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

AnswerProducts of_cosine(double cosine) {
  return {.mixed = 6 * cosine, .conditional = 4, .unconditional = 9};
}

TEST(ClassifierFree, GuidesAboveOne) {
  const auto guided = make("classifier_free", {{"scale", 4.0}});
  EXPECT_TRUE(guided->guides(0, 0));
  EXPECT_FLOAT_EQ(guided->mix().conditional, 4);
  EXPECT_FLOAT_EQ(guided->mix().unconditional, -3);
  EXPECT_FALSE(guided->probe(0, 0).has_value());
  EXPECT_FALSE(make("classifier_free", {{"scale", 1.0}})->guides(0, 0));
  EXPECT_FALSE(make("classifier_free", {{"scale", 0.5}})->guides(0, 0));
  EXPECT_FALSE(make("classifier_free", {})->guides(0, 0));
}

TEST(Guidance, ErrorsNameTheBound) {
  const auto error = [](const std::string& name, const PolicyParams& params,
                        bool has_unconditional) {
    return policies()
        .make(name, params, {.samples = 1, .has_unconditional = has_unconditional})
        .status()
        .ToString();
  };
  EXPECT_THAT(error("classifier_free", {{"scale", -1.0}}, true),
              HasSubstr("classifier_free.scale is -1, must be in [0, 100]"));
  EXPECT_THAT(error("classifier_free", {{"scale", 3.0}}, false),
              HasSubstr("classifier_free.scale is 3, must be at most 1"));
  EXPECT_THAT(error("adaptive_guidance", {{"space", "v"}}, true),
              HasSubstr("must be one of eps, x0"));
  EXPECT_THAT(error("adaptive_guidance", {{"threshold", -1.5}}, true),
              HasSubstr("threshold is -1.5"));
  EXPECT_TRUE(
      policies().make("classifier_free", {}, {.samples = 1, .has_unconditional = false}).ok());
}

TEST(AdaptiveGuidance, LatchesOncePerSample) {
  const auto guidance =
      make("adaptive_guidance", {{"scale", 5.0}, {"threshold", 0.9}, {"space", "x0"}},
           {.samples = 2, .has_unconditional = true});
  EXPECT_EQ(guidance->probe(0, 0), GuidanceSpace::kDenoised);
  guidance->observe(0, 0, of_cosine(0.89));
  EXPECT_TRUE(guidance->guides(0, 1));
  guidance->observe(0, 1, of_cosine(0.91));
  EXPECT_FALSE(guidance->guides(0, 2));
  EXPECT_FALSE(guidance->probe(0, 2).has_value());
  EXPECT_TRUE(guidance->guides(1, 2)) << "the other sample has not been seen";
  EXPECT_FLOAT_EQ(guidance->mix().conditional, 5);
}

TEST(AdaptiveGuidance, WaitsForItsFirstSteps) {
  const auto guidance =
      make("adaptive_guidance", {{"scale", 5.0}, {"threshold", 0.5}, {"min_steps", int64_t{3}}});
  EXPECT_FALSE(guidance->probe(0, 0).has_value());
  EXPECT_FALSE(guidance->probe(0, 1).has_value());
  EXPECT_EQ(guidance->probe(0, 2), GuidanceSpace::kOutput);
}

TEST(AdaptiveGuidance, NeutralAndExtremeThresholds) {
  const auto never = make("adaptive_guidance", {{"scale", 5.0}, {"threshold", 1.5}});
  for (int step = 0; step < 50; ++step) {
    EXPECT_TRUE(never->guides(0, step));
    EXPECT_FALSE(never->probe(0, step).has_value()) << "a neutral setting measures nothing";
  }
  const auto at_once = make("adaptive_guidance", {{"scale", 5.0}, {"threshold", -1.0}});
  EXPECT_TRUE(at_once->guides(0, 0));
  at_once->observe(0, 0, of_cosine(-0.99));
  EXPECT_FALSE(at_once->guides(0, 1));
}

TEST(AdaptiveGuidance, BrokenAnswersKeepGuiding) {
  const auto guidance = make("adaptive_guidance", {{"scale", 5.0}, {"threshold", -1.0}});
  guidance->observe(0, 0, {});
  guidance->observe(0, 1, {.mixed = std::nan(""), .conditional = 1, .unconditional = 1});
  guidance->observe(0, 2, {.mixed = 1, .conditional = -1, .unconditional = 1});
  EXPECT_TRUE(guidance->guides(0, 3));
}

}  // namespace
}  // namespace tessera
