#include "engine/denoise/scheduler_config.h"

#include "gmock/gmock.h"
#include "support/solver_rig.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kFile = "scheduler/scheduler_config.json";

absl::Status error(const std::string& text) {
  const auto config = all_solvers().parse(kFile, text);
  EXPECT_FALSE(config.ok());
  EXPECT_THAT(std::string(config.status().message()), ::testing::StartsWith(kFile));
  return config.status();
}

TEST(SchedulerConfig, ADdimFolder) {
  const auto config = all_solvers().parse(kFile, R"({
    "_class_name": "DDIMScheduler", "_diffusers_version": "0.12.0.dev0", "beta_end": 0.02,
    "beta_schedule": "linear", "beta_start": 0.0001, "clip_sample": false, "num_train_timesteps": 1000,
    "prediction_type": "epsilon", "set_alpha_to_one": true, "steps_offset": 0, "trained_betas": null,
    "thresholding": false, "skip_prk_steps": true})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->solver, "ddim");
  EXPECT_THAT(config->ignored, ElementsAre("skip_prk_steps"));
  EXPECT_EQ(config->params.at("clip_sample"), PolicyValue{false});
  EXPECT_TRUE(all_solvers().make(*config, {}, {.steps = 50}).ok());
}

// PyTorch writes minus infinity as a bare word.
TEST(SchedulerConfig, AMultistepFolderWithInfinity) {
  const auto config = all_solvers().parse(kFile, R"({
    "_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver++", "beta_end": 0.02,
    "beta_schedule": "linear", "beta_start": 0.0001, "dynamic_thresholding_ratio": 0.995,
    "lambda_min_clipped": -Infinity, "lower_order_final": true, "num_train_timesteps": 1000,
    "prediction_type": "epsilon", "sample_max_value": 1.0, "solver_order": 2, "solver_type": "midpoint",
    "steps_offset": 0, "thresholding": false, "timestep_spacing": "linspace", "trained_betas": null,
    "use_karras_sigmas": false, "variance_type": null})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->solver, "dpmpp_2m");
}

TEST(SchedulerConfig, UnsupportedClassesAndOptionsAreNamed) {
  EXPECT_THAT(
      error(R"({"_class_name": "UniPCMultistepScheduler"})").ToString(),
      AllOf(HasSubstr("UniPCMultistepScheduler"), HasSubstr("DDIMScheduler, DDPMScheduler")));
  const std::vector<std::pair<std::string, std::string>> refused = {
      {"DDIMScheduler", R"("thresholding": true)"},
      {"DDPMScheduler", R"("trained_betas": [0.1, 0.2])"},
      {"DDPMScheduler", R"("rescale_betas_zero_snr": true)"},
      {"DPMSolverMultistepScheduler", R"("use_karras_sigmas": true)"},
      {"DPMSolverMultistepScheduler", R"("algorithm_type": "sde-dpmsolver++")"},
      {"DPMSolverMultistepScheduler", R"("solver_type": "heun")"},
      {"DPMSolverMultistepScheduler", R"("lambda_min_clipped": -5.1)"},
      {"FlowMatchEulerDiscreteScheduler", R"("shift_terminal": 0.1)"},
      {"FlowMatchEulerDiscreteScheduler", R"("stochastic_sampling": true)"},
      {"FlowMatchEulerDiscreteScheduler", R"("invert_sigmas": true)"}};
  for (const auto& [name, field] : refused) {
    const absl::Status status = error(R"({"_class_name": ")" + name + "\", " + field + "}");
    EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
    EXPECT_THAT(status.ToString(), HasSubstr(field.substr(0, field.find(':')))) << field;
    EXPECT_THAT(status.ToString(), HasSubstr(name));
  }
}

TEST(SchedulerConfig, ValuesOutOfBoundsAreNamed) {
  const auto ddim = [](const std::string& field) {
    return std::string(error(R"({"_class_name": "DDIMScheduler", )" + field + "}").message());
  };
  EXPECT_THAT(ddim(R"("beta_start": -1)"), HasSubstr("ddim.beta_start is -1"));
  EXPECT_THAT(ddim(R"("beta_start": NaN)"), HasSubstr("ddim.beta_start must be a number"));
  EXPECT_THAT(ddim(R"("beta_schedule": "laplace")"),
              HasSubstr("beta_schedule is \"laplace\", must be one of linear"));
  EXPECT_THAT(ddim(R"("num_train_timesteps": 1e9)"), HasSubstr("num_train_timesteps"));
  EXPECT_THAT(ddim(R"("num_train_timesteps": 18446744073709551615)"),
              HasSubstr("num_train_timesteps"));
  EXPECT_THAT(ddim(R"("clip_sample": [1])"), HasSubstr("clip_sample is [1]"));
  EXPECT_THAT(
      error(R"({"_class_name": "DDPMScheduler", "variance_type": "learned_range"})").ToString(),
      HasSubstr("variance_type is \"learned_range\", must be one of fixed_small"));
  EXPECT_THAT(
      error(R"({"_class_name": "DPMSolverMultistepScheduler", "solver_order": 3})").ToString(),
      HasSubstr("solver_order is 3, must be in [1, 2]"));
}

TEST(SchedulerConfig, HostileTexts) {
  for (const std::string text :
       {"", "[]", "{", "nul", "{\"_class_name\": 3}", "{\"_class_name\": \"\xff\xfe\"}", "{}",
        "{\"a\": -Infinit}", "{\"_class_name\": \"DDIMScheduler\", \"a\\"}) {
    (void)error(text);
  }
  (void)error(std::string(size_t{2} << 20, ' '));
  (void)error(std::string(100000, '['));
  std::string nested = R"({"_class_name": "DDIMScheduler", "x": )" + std::string(500, '[');
  (void)error(nested + std::string(500, ']') + "}");
}

TEST(SolverChoice, AnotherSolverTakesOverWhatItKnows) {
  const Solvers solvers = all_solvers();
  const auto config = solvers.parse(kFile, R"({"_class_name": "DDIMScheduler", "clip_sample": false,
      "timestep_spacing": "trailing", "set_alpha_to_one": false, "beta_schedule": "scaled_linear"})");
  ASSERT_TRUE(config.ok());
  const auto ddpm = solvers.make(*config, {.solver = "ddpm", .params = {}}, {.steps = 10});
  ASSERT_TRUE(ddpm.ok()) << ddpm.status();
  EXPECT_EQ((*ddpm)->steps().timesteps[0], 999) << "trailing";
  EXPECT_FALSE((*ddpm)->needs().denoised) << "no clipping";
  const auto leading = solvers.make(
      *config, {.solver = "", .params = {{"timestep_spacing", "leading"}, {"eta", 1.0}}},
      {.steps = 10});
  ASSERT_TRUE(leading.ok()) << leading.status();
  EXPECT_EQ((*leading)->steps().timesteps[0], 900);
  EXPECT_EQ((*leading)->needs().noise_draws, 9) << "the last step ends at the first level";
}

TEST(SolverChoice, ErrorsNameTheField) {
  const Solvers solvers = all_solvers();
  const SchedulerConfig config{.solver = "ddim", .params = {}, .ignored = {}};
  const auto refused = [&](const SchedulerConfig& model, const SolverChoice& choice) {
    return std::string(solvers.make(model, choice, {.steps = 4}).status().message());
  };
  EXPECT_THAT(refused(config, {.solver = "", .params = {{"beta_end", 0.5}}}),
              HasSubstr("solver.beta_end belongs to the model"));
  EXPECT_THAT(refused(config, {.solver = "", .params = {{"eta", 2.0}}}),
              HasSubstr("ddim.eta is 2, must be in [0, 1]"));
  EXPECT_THAT(refused(config, {.solver = "", .params = {{"etaa", 1.0}}}),
              HasSubstr("did you mean eta?"));
  EXPECT_THAT(refused(config, {.solver = "heun", .params = {}}),
              HasSubstr("known: ddim, ddpm, dpmpp_2m, flow_euler"));
  EXPECT_THAT(refused(config, {.solver = "flow_euler", .params = {}}),
              HasSubstr("trained for ddim"));
  EXPECT_THAT(
      refused(
          {.solver = "ddim", .params = {{"beta_start", 0.9}, {"beta_end", 0.99}}, .ignored = {}},
          {}),
      HasSubstr("no signal is left"));
}

}  // namespace
}  // namespace tessera
