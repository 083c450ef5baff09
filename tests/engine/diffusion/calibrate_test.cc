// Recording of branch outputs, and calibrated schedules that the engine follows.
#include "engine/diffusion/calibrate.h"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "engine/diffusion/schedule_files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/diffusion_rig.h"
#include "support/sigma.h"
#include "support/temporary_folder.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const LatentShape kPolicyShape{1, 1, 7, 5};

DiffusionRequest observation_request(const std::string& id, const std::vector<float>& observation) {
  DiffusionRequest request;
  request.id = id;
  request.condition = ObservationCondition{FloatArray{{3, 6}, observation}};
  request.seed = 11;
  request.steps = 12;
  request.trace = true;
  return request;
}

// Observations as the network gets them, in the units of the data.
std::vector<float> in_units(std::vector<float> observation) {
  const auto folder = *DiffusersFolder::open(diffusion_folder("policy"));
  const LinearNormalizer& normalizer =
      std::get<DiffusionPolicyConfig>(folder.config().transformer).observation;
  for (size_t at = 0; at < observation.size(); ++at) {
    const size_t entry = at % normalizer.scale.size();
    observation[at] = (observation[at] - normalizer.offset[entry]) / normalizer.scale[entry];
  }
  return observation;
}

std::vector<DiffusionRequest> observations() {
  const GoldenTensors golden(diffusion_folder("policy") + "/golden.safetensors");
  std::vector<DiffusionRequest> requests;
  for (int which = 0; which < 3; ++which) {
    const std::string at = "case_" + std::to_string(which);
    requests.push_back(observation_request(at, in_units(golden.get(at + ".observation"))));
  }
  return requests;
}

absl::StatusOr<BranchRecord> recorded(DenoiseEngine& engine, const DiffusionRequest& request) {
  BranchRecord record;
  if (absl::Status status = engine.record(request, record); !status.ok()) return status;
  return record;
}

// What all branches add to the embedded rows is the stream after the last block.
TEST(BranchRecord, AddsUpToTheStreamOfDiffusers) {
  const GoldenTensors golden(diffusion_folder("policy") + "/golden.safetensors");
  const auto engine = make_engine("policy", kPolicyShape, {});
  DiffusionRequest request =
      observation_request("case", in_units(golden.get("case_0.observation")));
  request.latents = FloatArray{{7, 5}, golden.get("case_0.latents")};
  request.steps = 1;
  request.timesteps = {golden.get("case_0.timestep")[0]};
  const absl::StatusOr<BranchRecord> record = recorded(*engine, request);
  ASSERT_TRUE(record.ok()) << record.status();
  ASSERT_EQ(record->branches.size(), 6u);
  EXPECT_EQ(record->branches[4].name, "1.cross");
  std::vector<float> sum = golden.get("case_0.embedded");
  for (const RecordedBranch& branch : record->branches) {
    ASSERT_EQ(branch.outputs.size(), sum.size());
    for (size_t at = 0; at < sum.size(); ++at) sum[at] += branch.outputs[at];
  }
  EXPECT_LT(worst_sigma(sum, golden.get("case_0.block_1")), 1e-4);
  engine->drain(Clock::now() + std::chrono::seconds(10));
  EXPECT_EQ(engine->load().job_bytes_used, 0);
}

TEST(BranchRecord, IsTheSameInCompanyAndOfTheFirstSample) {
  const auto engine = make_dit_engine({});
  DiffusionRequest request;
  request.id = "alone";
  request.condition = ClassCondition{3};
  request.seed = 5;
  request.steps = 4;
  const auto alone = recorded(*engine, request);
  ASSERT_TRUE(alone.ok()) << alone.status();
  DiffusionRequest busy = request;
  busy.id = "busy";
  busy.steps = 300;
  busy.policies["uniform_reuse"] = {};
  const auto other = submit_to(*engine, busy);
  request.n = 2;
  const auto together = recorded(*engine, request);
  ASSERT_TRUE(together.ok()) << together.status();
  for (size_t at = 0; at < alone->branches.size(); ++at) {
    EXPECT_EQ(alone->branches[at].outputs, together->branches[at].outputs);
  }
  (void)engine->cancel("busy");
  request.policies["pab"] = {};
  EXPECT_THAT(recorded(*engine, request).status().ToString(), HasSubstr("takes no cache policy"));
}

std::string letters_of(const UpdateSchedule& schedule, const CacheModel& network, int step) {
  std::string letters;
  for (const std::string& name : site_names(network.sites)) {
    const std::vector<int>& updates = schedule.units.at(name);
    const auto computes = [&](int at) {
      return std::find(updates.begin(), updates.end(), at) != updates.end();
    };
    const bool last = step + 1 == static_cast<int>(schedule.timesteps.size());
    letters += !computes(step) ? 'R' : !last && !computes(step + 1) ? 'K' : 'C';
  }
  return letters;
}

// An engine whose schedule `default` leaves the trace of `list`, while `whole`, which computes
// every branch at every step, changes no bit.
std::unique_ptr<DenoiseEngine> engine_that_follows(const UpdateSchedule& list,
                                                   const UpdateSchedule& whole,
                                                   const CacheModel& network) {
  RigOptions options;
  options.schedules = {{"default", list}, {"whole", whole}};
  auto engine = make_engine("policy", kPolicyShape, options);
  DiffusionRequest request = observations()[1];
  const auto plain = submit_to(*engine, request);
  EXPECT_TRUE(plain->status().ok()) << plain->status();
  request.policies["bac"] = {{"schedule", std::string("whole")}};
  const auto neutral = submit_to(*engine, request);
  EXPECT_TRUE(neutral->status().ok()) << neutral->status();
  EXPECT_EQ(neutral->result().values.values, plain->result().values.values);
  request.policies["bac"] = {};
  const auto cached = submit_to(*engine, request);
  EXPECT_TRUE(cached->status().ok()) << cached->status();
  EXPECT_NE(cached->result().values.values, plain->result().values.values);
  const std::vector<std::string>& trace = cached->result().trace;
  EXPECT_EQ(trace.size(), list.timesteps.size());
  for (size_t step = 0; step < trace.size(); ++step) {
    EXPECT_EQ(trace[step], letters_of(list, network, static_cast<int>(step)));
  }
  return engine;
}

TEST(Calibrate, FindsSchedulesThatTheEngineFollows) {
  CacheModel network;
  UpdateSchedule few, all;
  {
    const auto engine = make_engine("policy", kPolicyShape, {}, &network);
    const auto made = calibrate(*engine, observations(),
                                {.updates = 4, .bubbling = {.count = 2}, .made_by = "test"});
    ASSERT_TRUE(made.ok()) << made.status();
    few = *made;
    const auto whole = calibrate(*engine, observations(), {.updates = 12});
    ASSERT_TRUE(whole.ok()) << whole.status();
    all = *whole;
  }
  EXPECT_EQ(few.checkpoint, network.fingerprint);
  EXPECT_EQ(few.solver, "ddpm");
  EXPECT_EQ(few.timesteps.size(), 12u);
  int longer = 0;
  for (const auto& [name, updates] : few.units) {
    EXPECT_EQ(updates.front(), 0);
    EXPECT_GE(updates.size(), 4u) << name;
    if (updates.size() > 4) ++longer;
  }
  EXPECT_LE(longer, 2) << "only the branches that bubble";

  const auto engine = engine_that_follows(few, all, network);
  DiffusionRequest request = observations()[1];
  request.policies["bac"] = {};
  request.steps = 13;
  const auto sink = std::make_shared<CollectedJob>();
  EXPECT_THAT(engine->submit(request, sink).ToString(), HasSubstr("for 12 steps, not 13"));
}

TEST(Calibrate, LetsBranchesShareOneListThatTheEngineFollows) {
  CacheModel network;
  UpdateSchedule even, late, whole;
  {
    const auto engine = make_engine("policy", kPolicyShape, {}, &network);
    const auto made = [&](int updates, double weight) {
      return calibrate(
          *engine, observations(),
          {.updates = updates, .metric = BranchMetric::kL1, .together = true, .late = weight});
    };
    even = *made(4, 0);
    late = *made(4, 3);
    whole = *made(12, 3);
  }
  ASSERT_EQ(late.units.size(), 6u);
  for (const UpdateSchedule& schedule : {even, late}) {
    const std::vector<int>& shared = schedule.units.at("0.self");
    EXPECT_EQ(shared.size(), 4u);
    EXPECT_EQ(shared.front(), 0);
    for (const auto& [name, updates] : schedule.units) EXPECT_EQ(updates, shared) << name;
  }
  const auto sum = [](const std::vector<int>& list) {
    return std::accumulate(list.begin(), list.end(), 0);
  };
  EXPECT_LT(sum(even.units.at("0.self")), sum(late.units.at("0.self")));

  engine_that_follows(late, whole, network);
}

TEST(Calibrate, RefusesInWords) {
  const auto engine = make_engine("policy", kPolicyShape, {});
  EXPECT_THAT(calibrate(*engine, {}, {}).status().ToString(), HasSubstr("no observation"));
  std::vector<DiffusionRequest> requests = observations();
  EXPECT_THAT(calibrate(*engine, requests, {.updates = 0}).status().ToString(),
              HasSubstr("updates is 0, must be in [1, 1000]"));
  for (const double late : {-1.0, 101.0, std::nan("")}) {
    EXPECT_THAT(calibrate(*engine, requests, {.late = late}).status().ToString(),
                HasSubstr("must be in [0, 100]"));
  }
  requests[2].steps = 5;
  EXPECT_THAT(calibrate(*engine, requests, {}).status().ToString(),
              HasSubstr("observation 2 has another solver or other steps"));
}

TEST(ScheduleFiles, AreReadByNameAndRefusedByFile) {
  const TemporaryFolder folder;
  const auto read = [&] { return read_schedule_files(folder.path().string()); };
  ASSERT_TRUE(read().ok());
  EXPECT_TRUE(read()->empty());
  const std::filesystem::path schedules = folder.path() / "schedules";
  std::filesystem::create_directory(schedules);
  const auto write = [&](const std::string& name, const std::string& text) {
    std::ofstream(schedules / name) << text;
  };
  const UpdateSchedule schedule{"c0ffee", "ddpm", {5, 3}, "test", {{"0.self", {0}}}};
  write("default.json", print_update_schedule(schedule));
  write("fast.json", print_update_schedule(schedule));
  write("README", "not a schedule");
  const auto two = read();
  ASSERT_TRUE(two.ok()) << two.status();
  ASSERT_EQ(two->size(), 2u);
  EXPECT_THAT(two->at("fast").timesteps, ElementsAre(5, 3));
  write("slow.json", "{");
  EXPECT_THAT(read().status().ToString(), HasSubstr("schedules/slow.json: not valid JSON"));
  std::filesystem::remove(schedules / "slow.json");
  for (int file = 0; file < 70; ++file) write(std::to_string(file) + ".json", "{}");
  EXPECT_THAT(read().status().ToString(), HasSubstr("more than 64 schedules"));
}

TEST(ScheduleFiles, OfAnotherCheckpointAreToldAtStartAndRefused) {
  CacheModel network;
  make_engine("policy", kPolicyShape, {}, &network);
  const UpdateSchedule stranger{"c0ffee", "ddpm", {5, 3}, "test", {{"0.self", {0}}}};
  UpdateSchedule own = stranger;
  own.checkpoint = network.fingerprint;
  RigOptions options;
  options.schedules = {{"own", own}, {"strange", stranger}};
  const std::string why = "was made for checkpoint c0ffee, not " + network.fingerprint;
  EXPECT_EQ(tell_strangers(options.schedules, network.fingerprint),
            "\nschedules/strange.json cannot be used: " + why);

  const auto engine = make_engine("policy", kPolicyShape, options);
  DiffusionRequest request = observations()[0];
  request.policies["bac"] = {{"schedule", std::string("strange")}};
  const absl::Status status = engine->submit(request, std::make_shared<CollectedJob>());
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.ToString(), HasSubstr("bac.schedule \"strange\" " + why));
  EXPECT_EQ(engine->load().job_bytes_used, 0);
}

}  // namespace
}  // namespace tessera
