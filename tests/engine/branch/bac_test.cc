#include "engine/branch/policies/bac.h"

#include <random>

#include "gmock/gmock.h"
#include "support/cache_rig.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

UpdateSchedule schedule_for(const CacheModel& model, const CacheJob& job) {
  UpdateSchedule schedule{"abc", job.solver, job.timesteps, "test", {}};
  for (const std::string& name : site_names(model.sites)) schedule.units[name] = {0};
  return schedule;
}

CacheModel model_with(const UpdateSchedule& schedule, int blocks = 3) {
  CacheModel model = image_model(blocks);
  model.fingerprint = "abc";
  model.schedules["default"] = schedule;
  return model;
}

CacheJob job_with_solver(int steps) {
  CacheJob job = job_of(steps);
  job.solver = "ddpm";
  return job;
}

TEST(Bac, FollowsRandomSchedules) {
  std::mt19937 random(3);
  for (int trial = 0; trial < 200; ++trial) {
    const CacheJob job = job_with_solver(1 + static_cast<int>(random() % 100));
    UpdateSchedule schedule = schedule_for(image_model(3), job);
    for (auto& [name, steps] : schedule.units) {
      for (int step = 1; step < job.steps(); ++step) {
        if (random() % 6 == 0) steps.push_back(step);
      }
    }
    const CacheModel model = model_with(schedule);
    const bool force_last = random() % 2 == 0;
    const MadeCachePolicy policy = Bac::make({.force_last = force_last}, model, job);
    ASSERT_TRUE(policy.ok()) << policy.status();
    const std::vector<std::string> names = site_names(model.sites);
    for (int site = 0; site < static_cast<int>(names.size()); ++site) {
      const std::vector<int> served = served_from((*policy)->plan(), site);
      int computed = 0;
      for (int step = 0; step < job.steps(); ++step) {
        const std::vector<int>& updates = schedule.units[names[site]];
        if (std::count(updates.begin(), updates.end(), step) == 1) computed = step;
        if (force_last && step == job.steps() - 1) computed = step;
        ASSERT_EQ(served[step], computed);
      }
    }
  }
}

TEST(Bac, UpdatingAtEveryStepIsNeutral) {
  const CacheJob job = job_with_solver(12);
  UpdateSchedule schedule = schedule_for(image_model(3), job);
  for (auto& [name, steps] : schedule.units) {
    steps.clear();
    for (int step = 0; step < 12; ++step) steps.push_back(step);
  }
  const MadeCachePolicy policy = Bac::make({}, model_with(schedule), job);
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_TRUE((*policy)->plan().computes_everything());
}

TEST(Bac, AScheduleOfSomethingElseIsRefusedInWords) {
  const CacheJob job = job_with_solver(10);
  const UpdateSchedule right = schedule_for(image_model(3), job);
  const auto error = [&](const UpdateSchedule& schedule, const CacheJob& asked) {
    const MadeCachePolicy policy = Bac::make({}, model_with(schedule), asked);
    EXPECT_EQ(policy.status().code(), absl::StatusCode::kInvalidArgument);
    return policy.status().ToString();
  };
  UpdateSchedule wrong = right;
  wrong.checkpoint = "def";
  EXPECT_THAT(error(wrong, job), HasSubstr("was made for checkpoint def, not abc"));
  CacheJob other = job;
  other.solver = "ddim";
  EXPECT_THAT(error(right, other), HasSubstr("was made for solver ddpm, not ddim"));
  EXPECT_THAT(error(right, job_with_solver(11)), HasSubstr("was made for 10 steps, not 11"));
  other = job_of(10, Spacing::kTrailing);
  other.solver = "ddpm";
  EXPECT_THAT(error(right, other), HasSubstr("other timesteps: step 0 is 900, not 999"));
  wrong = right;
  wrong.units.erase("1.mlp");
  EXPECT_THAT(error(wrong, job), HasSubstr("lacks unit 1.mlp"));
  wrong = right;
  wrong.units["9.mlp"] = {0};
  EXPECT_THAT(error(wrong, job), HasSubstr("has 10 units, the model has 9"));
  EXPECT_THAT(Bac::make({.schedule = "x\n"}, model_with(right), job).status().ToString(),
              HasSubstr("bac.schedule is \"x\\n\", must be one of: default"));
  EXPECT_THAT(Bac::make({}, image_model(3), job).status().ToString(),
              HasSubstr("the model has none"));
}

TEST(Bac, StreamsThatMeetUpdateTogether) {
  const CacheJob job = job_with_solver(10);
  CacheModel model = joint_model(2);
  model.fingerprint = "abc";
  UpdateSchedule schedule = schedule_for(model, job);
  schedule.units["1.joint"] = schedule.units["1.joint.context"] = {0, 4};
  model.schedules["default"] = schedule;
  EXPECT_TRUE(Bac::make({}, model, job).ok());
  schedule.units["1.joint.context"] = {0, 5};
  model.schedules["default"] = schedule;
  EXPECT_THAT(Bac::make({}, model, job).status().ToString(),
              HasSubstr("updates 1.joint and 1.joint.context at different steps"));
}

}  // namespace
}  // namespace tessera
