// What the benchmark tells of episodes, the whole ones and those that had to end sooner.
#include "tools/bench/diffusion/report.h"

#include "gmock/gmock.h"
#include "nlohmann/json.hpp"

namespace tessera {
namespace {

TEST(Report, TellsTheSuccessOfEveryLimit) {
  ActionArm arm{{"bac", {{"schedule", "default"}}, true}, 100};
  arm.operations_ratio = 3.5;
  for (int pair = 0; pair < 4; ++pair) arm.success.add(pair > 0, pair > 1);
  for (int pair = 0; pair < 4; ++pair) arm.success_within[72].add(pair > 1, pair > 2);
  arm.success_within[80].add(true, true);
  DiffusionReport report;
  report.actions = ActionSectionResult{"push-policy", "operations", 100, 4, 0.04, {arm}};

  const auto json = nlohmann::json::parse(json_text(report));
  EXPECT_EQ(json.at("bac_baseline_success"), 0.75);
  EXPECT_EQ(json.at("bac_success"), 0.5);
  const auto& told = json.at("sections").at("push-policy").at("arms").at(0);
  EXPECT_EQ(told.at("policy"), "bac");
  EXPECT_EQ(told.at("flops_ratio"), 3.5);
  EXPECT_EQ(told.at("success"), 0.5);
  EXPECT_EQ(told.at("success_drop_mean"), 0.25);
  EXPECT_EQ(told.at("success_drop"), json.at("bac_success_drop"));
  const auto& within = told.at("within_steps");
  ASSERT_EQ(within.size(), 2u);
  EXPECT_EQ(within.at("72").at("baseline_success"), 0.5);
  EXPECT_EQ(within.at("72").at("success"), 0.25);
  EXPECT_EQ(within.at("72").at("lost"), 1);
  EXPECT_EQ(within.at("80").at("success"), 1);
}

}  // namespace
}  // namespace tessera
