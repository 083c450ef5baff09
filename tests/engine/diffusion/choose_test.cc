#include "engine/diffusion/choose.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

class Choose : public ::testing::Test {
 protected:
  // A step takes a millisecond per row.
  const CostModel cost_{{{1, 0.001}, {1000, 1.0}}, 0, 0};
  ChooseLimits limits_{
      .rows_max = 1000, .segments_max = 8, .step_time_target_seconds = 0, .cost = &cost_};
  static JobView job(int64_t key, int64_t rows) {
    JobView view;
    view.key = key;
    view.slack_seconds = 1e18;
    view.rows = rows;
    view.segments = 1;
    view.next_step.rows = rows;
    return view;
  }
};

TEST_F(Choose, TakesAllThatFit) {
  EXPECT_THAT(choose_jobs({job(1, 300), job(2, 300), job(3, 300)}, limits_),
              UnorderedElementsAre(0, 1, 2));
  EXPECT_THAT(choose_jobs({job(1, 600), job(2, 600), job(3, 300)}, limits_), ElementsAre(0, 2));
  EXPECT_TRUE(choose_jobs({}, limits_).empty());
}

TEST_F(Choose, KeepsTheStepShortButNeverEmpty) {
  limits_.step_time_target_seconds = 0.4;
  EXPECT_THAT(choose_jobs({job(1, 900), job(2, 100)}, limits_), ElementsAre(0));
  EXPECT_THAT(choose_jobs({job(1, 100), job(2, 900), job(3, 100)}, limits_), ElementsAre(0, 2));
}

TEST_F(Choose, LessGivenGoesFirstSoThatALargeJobTakesTurns) {
  limits_.step_time_target_seconds = 0.4;
  std::vector<JobView> jobs = {job(1, 900), job(2, 100)};
  double given[2] = {0, 0};
  int steps[2] = {0, 0};
  for (int step = 0; step < 100; ++step) {
    for (const size_t index : choose_jobs(jobs, limits_)) {
      given[index] += cost_.predict(jobs[index].next_step);
      ++steps[index];
      jobs[index].given_seconds = given[index];
    }
  }
  EXPECT_NEAR(given[0] / given[1], 1, 0.2);  // equal shares of the time
  EXPECT_GT(steps[1], 8 * steps[0]);
}

TEST_F(Choose, PriorityThenUrgencyThenTurn) {
  std::vector<JobView> jobs = {job(1, 600), job(2, 600), job(3, 600)};
  jobs[0].given_seconds = 0;
  jobs[1].given_seconds = 5;
  jobs[1].slack_seconds = 1;
  EXPECT_THAT(choose_jobs(jobs, limits_), ElementsAre(1));
  jobs[2].priority = 1;
  EXPECT_THAT(choose_jobs(jobs, limits_), ElementsAre(2));
}

}  // namespace
}  // namespace tessera
