// The push world in C++ is the one that the policy was trained in, bit for bit.
#include "tools/sim/push_world.h"

#include <cmath>
#include <fstream>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tools/sim/push_episode.h"

namespace tessera {
namespace {

nlohmann::json golden() {
  std::ifstream file(std::string(TESSERA_SOURCE_DIR) + "/tests/golden/sim/push_trajectories.json");
  return nlohmann::json::parse(file);
}

TEST(PushWorld, FollowsThePythonWorldExactly) {
  int steps = 0, held = 0, walls = 0, cut = 0;
  for (const auto& trajectory : golden()) {
    const std::vector<double> start = trajectory.at("start"), goal = trajectory.at("goal");
    PushWorld world{{start[0], start[1]}, {start[2], start[3]}, {goal[0], goal[1]}, 0};
    for (const auto& step : trajectory.at("steps")) {
      const std::vector<double> action = step.at("action"), after = step.at("after");
      world.step({action[0], action[1]});
      ASSERT_EQ(world.pusher.x, after[0]) << "step " << steps;
      ASSERT_EQ(world.pusher.y, after[1]);
      ASSERT_EQ(world.puck.x, after[2]);
      ASSERT_EQ(world.puck.y, after[3]);
      ASSERT_EQ(world.held, after[4]);
      ++steps;
      held += world.held >= 4;
      walls += std::abs(world.puck.x) == 0.9 || std::abs(world.puck.y) == 0.9;
      cut += std::hypot(action[0], action[1]) > 1;
    }
  }
  // The file reaches what it is there for.
  EXPECT_GT(steps, 100);
  EXPECT_GT(held, 0);
  EXPECT_GT(walls, 0);
  EXPECT_GT(cut, 0);
}

TEST(PushWorld, StartsAreReproducibleAndApart) {
  double sum = 0;
  for (uint64_t episode = 0; episode < 1000; ++episode) {
    const PushWorld world = PushWorld::start(7, episode);
    EXPECT_GE(std::hypot(world.goal.x - world.puck.x, world.goal.y - world.puck.y), 0.4);
    EXPECT_GE(std::hypot(world.pusher.x - world.puck.x, world.pusher.y - world.puck.y), 0.21);
    EXPECT_LE(std::abs(world.puck.x), 0.65);
    EXPECT_EQ(world.puck.x, PushWorld::start(7, episode).puck.x);
    EXPECT_NE(world.puck.x, PushWorld::start(8, episode).puck.x);
    EXPECT_NE(world.puck.x, PushWorld::start(7, episode + 1).puck.x);
    sum += world.puck.x;
  }
  EXPECT_LT(std::abs(sum / 1000), 4 * 0.65 / std::sqrt(3.0 * 1000));
}

// An answer: the same action along x at every step.
std::vector<float> steady(float x, int steps = 8) {
  std::vector<float> answer(2 * steps);
  for (int step = 0; step < steps; ++step) answer[2 * step] = x;
  return answer;
}

TEST(PushEpisode, ShowsTheLastTwoObservationsAndEndsWithSuccess) {
  // 4 steps of 0.05 bring the puck from -0.2 to 0 after 0.04 of approach; then it is left alone.
  PushEpisode episode(PushWorld{{-0.4, 0}, {-0.2, 0}, {0, 0}, 0});
  const std::vector<float> first = episode.observations();
  ASSERT_EQ(first.size(), 12u);
  EXPECT_TRUE(std::equal(first.begin(), first.begin() + 6, first.begin() + 6));
  EXPECT_FLOAT_EQ(first[2], 0.2f);
  episode.act(std::vector<float>{1, 0, 1, 0, 1, 0, 1, 0, 0.8f, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_TRUE(episode.succeeded());
  EXPECT_TRUE(episode.ended());
  EXPECT_EQ(episode.answers(), 1);
  // Within 0.03 from the fifth step on, four steps in a row.
  EXPECT_EQ(episode.finished_step(), 8);
}

TEST(PushEpisode, KeepsTheTwoNewestObservations) {
  PushEpisode episode(PushWorld{{-0.9, 0}, {0, 0.5}, {0.5, 0.5}, 0}, {2, 2});
  episode.act(steady(1, 2));
  EXPECT_NEAR(episode.observations()[0], -0.85, 1e-6);
  EXPECT_NEAR(episode.observations()[6], -0.80, 1e-6);
}

TEST(PushEpisode, FailsAfterTheLastStep) {
  PushEpisode episode(PushWorld::start(1, 1));
  while (!episode.ended()) episode.act(steady(0));
  EXPECT_FALSE(episode.succeeded());
  EXPECT_EQ(episode.answers(), kPushStepsMax / 8);
}

}  // namespace
}  // namespace tessera
