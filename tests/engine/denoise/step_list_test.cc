#include "engine/denoise/step_list.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<int> timesteps(const DiscreteSpacing& spacing, int64_t steps) {
  const auto made = discrete_timesteps("solver", spacing, {.steps = steps});
  EXPECT_TRUE(made.ok()) << made.status();
  return made.ok() ? *made : std::vector<int>{};
}

std::string error(const DiscreteSpacing& spacing, const StepRequest& request) {
  const auto made = discrete_timesteps("solver", spacing, request);
  EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(made.status().message());
}

TEST(DiscreteTimesteps, LeadingWithAndWithoutOffset) {
  const std::vector<int> plain = timesteps({}, 50), offset = timesteps({.steps_offset = 1}, 50);
  for (int at = 0; at < 50; ++at) {
    EXPECT_EQ(plain[at], 980 - 20 * at);
    EXPECT_EQ(offset[at], plain[at] + 1);
  }
}

TEST(DiscreteTimesteps, TrailingBeginsAtTheLast) {
  const std::vector<int> made = timesteps({.spacing = Spacing::kTrailing}, 50);
  for (int at = 0; at < 50; ++at) EXPECT_EQ(made[at], 999 - 20 * at);
}

TEST(DiscreteTimesteps, LinspaceRoundsHalvesToEven) {
  const std::vector<int> made =
      timesteps({.spacing = Spacing::kLinspace, .past_the_last = true}, 20);
  EXPECT_THAT(made, ElementsAre(999, 949, 899, 849, 799, 749, 699, 649, 599, 549, 500, 450, 400,
                                350, 300, 250, 200, 150, 100, 50));
}

// Also the counts at which numpy's arange gives one point too many.
TEST(DiscreteTimesteps, EveryCountDescendsInsideTheTraining) {
  for (Spacing spacing : {Spacing::kLeading, Spacing::kLinspace, Spacing::kTrailing}) {
    for (int64_t train : {int64_t{1}, int64_t{100}, int64_t{997}, int64_t{1000}}) {
      for (int64_t steps = 1; steps <= train; ++steps) {
        const std::vector<int> made =
            timesteps({.train_timesteps = train, .spacing = spacing}, steps);
        ASSERT_EQ(static_cast<int64_t>(made.size()), steps);
        ASSERT_GE(made.back(), 0);
        ASSERT_LT(made.front(), train);
      }
    }
  }
}

TEST(DiscreteTimesteps, ErrorsNameTheFieldAndTheBound) {
  EXPECT_THAT(error({}, {.steps = 1001}), HasSubstr("steps is 1001, must be in [1, 1000]"));
  EXPECT_THAT(error({}, {.steps = 0}), HasSubstr("steps is 0"));
  EXPECT_THAT(error({}, {.steps = -3}), HasSubstr("steps is -3"));
  EXPECT_THAT(error({.train_timesteps = 100}, {.steps = 101}), HasSubstr("[1, 100]"));
  EXPECT_THAT(error({.steps_offset = 1}, {.steps = 1000}), HasSubstr("steps_offset 1"));
  EXPECT_THAT(error({.past_the_last = true}, {.steps = 1000}), HasSubstr("would repeat"));
  EXPECT_THAT(error({}, {.timesteps = {900, 900}}),
              HasSubstr("timesteps[1] is 900, must be below"));
  EXPECT_THAT(error({}, {.timesteps = {1000}}), HasSubstr("timesteps[0] is 1000"));
  EXPECT_THAT(error({}, {.timesteps = {3, -1}}), HasSubstr("timesteps[1] is -1"));
  EXPECT_THAT(error({}, {.timesteps = {3.5}}), HasSubstr("whole number"));
  EXPECT_THAT(error({}, {.timesteps = {std::nan("")}}), HasSubstr("timesteps[0] is nan"));
  EXPECT_THAT(error({}, {.timesteps = {1e300}}), HasSubstr("timesteps[0]"));
  EXPECT_THAT(error({}, {.steps = 3, .timesteps = {9, 1}}), HasSubstr("timesteps has 2 entries"));
  EXPECT_THAT(error({}, {.sigmas = {1, .5}}), HasSubstr("give timesteps"));
}

}  // namespace
}  // namespace tessera
