// Every family of networks through the engine: whole runs equal those of diffusers, and a job's
// bits never depend on who else is served.
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "support/golden_engine.h"
#include "support/sigma.h"

namespace tessera {
namespace {

constexpr int64_t kPixelsPerLatent = 8;  // of the golden VAEs

class FamilyTest : public testing::TestWithParam<const char*> {
 protected:
  FamilyTest() : golden_(diffusion_folder(GetParam()) + "/golden.safetensors") {}

  std::vector<std::string> runs() const {
    std::vector<std::string> runs;
    while (golden_.has("run_" + std::to_string(runs.size()) + ".noise")) {
      runs.push_back("run_" + std::to_string(runs.size()) + ".");
    }
    EXPECT_FALSE(runs.empty());
    return runs;
  }

  // Of many sizes, steps, seeds and prompts: every condition of the goldens, whole and in part.
  std::vector<DiffusionRequest> mixed_requests() const {
    std::vector<DiffusionRequest> requests;
    const int64_t sizes[][2] = {{6, 10}, {8, 8}, {4, 6}};
    for (int which = 0; which < 9; ++which) {
      DiffusionRequest request = golden_request(golden_, runs()[0], kPixelsPerLatent);
      request.id = "job " + std::to_string(which);
      request.latents.reset();
      request.seed = 100 + which;
      request.noise = which % 2 == 0 ? "counter" : "torch_cpu";
      request.steps = 3 + which * 5 % 11;
      request.n = which == 4 ? 3 : 1;
      if (request.height.has_value()) {
        request.height = sizes[which % 3][0] * kPixelsPerLatent;
        request.width = sizes[which % 3][1] * kPixelsPerLatent;
        request.guidance_scale = which % 4 == 3 ? 1.0 : 1.5 + which;
      }
      vary(which, request);
      requests.push_back(std::move(request));
    }
    return requests;
  }

  const GoldenTensors golden_;

 private:
  static void vary(int which, DiffusionRequest& request) {
    if (auto* text = std::get_if<PromptCondition>(&request.condition)) {
      text->prompt = std::string(static_cast<size_t>(which) * 7, 'a') + " boat";
      if (which % 3 == 2) text->negative_prompt = "a photo";
    }
    if (auto* given = std::get_if<EmbeddingCondition>(&request.condition)) {
      const int64_t tokens = 1 + which % given->prompt.shape[0];
      given->prompt.values.resize(tokens * given->prompt.shape[1]);
      given->prompt.shape[0] = tokens;
      if (which % 3 == 2) given->negative_prompt = given->negative_pooled = {};
    }
    if (auto* seen = std::get_if<ObservationCondition>(&request.condition)) {
      for (float& value : seen->observations.values) value += 0.1f * static_cast<float>(which);
    }
  }
};

TEST_P(FamilyTest, RunsEqualDiffusers) {
  const auto engine = open_golden(GetParam());
  ASSERT_NE(engine, nullptr);
  for (const std::string& at : runs()) {
    const auto job = submit_to(*engine, golden_request(golden_, at, kPixelsPerLatent));
    ASSERT_TRUE(job->status().ok()) << job->status();
    const std::string last = "latents_" + std::to_string(golden_.shape(at + "timesteps")[0] - 1);
    const double worst = worst_sigma(job->result().values.values, golden_.get(at + last));
    EXPECT_LT(worst, 1e-3) << at;
    RecordProperty(at + last, std::to_string(worst));
    if (!golden_.has(at + "pixels")) continue;
    DiffusionRequest request = golden_request(golden_, at, kPixelsPerLatent);
    request.latents_only = false;
    const auto shown = submit_to(*engine, std::move(request));
    ASSERT_TRUE(shown->status().ok()) << shown->status();
    std::vector<int64_t> shape = golden_.shape(at + "pixels");
    shape.insert(shape.begin(), 1);
    EXPECT_EQ(shown->result().values.shape, shape);
    EXPECT_LT(worst_sigma(shown->result().values.values, golden_.get(at + "pixels")), 1e-3) << at;
  }
}

TEST_P(FamilyTest, BitsNeverDependOnCompany) {
  std::vector<std::vector<float>> alone;
  {
    const auto engine = open_golden(GetParam());
    ASSERT_NE(engine, nullptr);
    for (const DiffusionRequest& request : mixed_requests()) {
      const auto job = submit_to(*engine, request);
      ASSERT_TRUE(job->status().ok()) << job->status();
      alone.push_back(job->result().values.values);
    }
  }
  DeviceSettings one_thread;
  one_thread.threads = 1;
  std::mt19937 random(8);
  for (const auto& [device, rows_max] :
       {std::pair(DeviceSettings{}, int64_t{0}), std::pair(one_thread, int64_t{700})}) {
    const auto engine = open_golden(GetParam(), device, rows_max);
    ASSERT_NE(engine, nullptr);
    std::vector<std::shared_ptr<CollectedJob>> jobs;
    for (const DiffusionRequest& request : mixed_requests()) {
      jobs.push_back(submit_to(*engine, request));
      // Joins the others at some step of theirs.
      if (jobs.size() > 1) jobs[jobs.size() - 2]->wait_for_step(static_cast<int>(random() % 3));
    }
    for (size_t which = 0; which < jobs.size(); ++which) {
      ASSERT_TRUE(jobs[which]->status().ok()) << jobs[which]->status();
      EXPECT_EQ(jobs[which]->result().values.values, alone[which]) << "job " << which;
    }
    engine->drain(Clock::now() + std::chrono::seconds(10));
    EXPECT_EQ(engine->load().job_bytes_used, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Folders, FamilyTest,
                         testing::Values("dit", "pixart", "pixart_sizes", "latte", "sd3",
                                         "sd3_dual", "policy"));

}  // namespace
}  // namespace tessera
