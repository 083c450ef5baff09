// Whole trajectories against diffusers' schedulers, with a network that is a formula
// (tools/golden/diffusion_schedulers.py).
#include <cmath>
#include <fstream>

#include "engine/denoise/noise.h"
#include "gmock/gmock.h"
#include "support/solver_rig.h"

namespace tessera {
namespace {

std::vector<float> network(const std::vector<float>& x, float t) {
  std::vector<float> answer;
  for (size_t at = 0; at < x.size(); ++at) {
    answer.push_back(static_cast<float>(0.8 * std::tanh(double{x[at]}) +
                                        0.2 * std::sin(double{t} / 100 + static_cast<double>(at))));
  }
  return answer;
}

double largest(const std::vector<float>& values) {
  double most = 0;
  for (float value : values) most = std::max(most, std::abs(double{value}));
  return most;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0;
  for (size_t at = 0; at < a.size(); ++at) {
    most = std::max(most, std::abs(double{a[at]} - double{b[at]}));
  }
  return most;
}

TEST(SolverGolden, TrajectoriesOfDiffusers) {
  const Solvers solvers = all_solvers();
  std::ifstream in(TESSERA_SOURCE_DIR "/tests/golden/denoise/schedulers.json");
  const nlohmann::json cases = nlohmann::json::parse(in);
  ASSERT_GT(cases.size(), 80u);
  for (const nlohmann::json& given : cases) {
    SCOPED_TRACE(given["name"].get<std::string>());
    const auto config = solvers.parse("scheduler_config.json", given["config"].dump());
    ASSERT_TRUE(config.ok()) << config.status();
    SolverChoice choice;
    if (given.contains("eta")) choice.params["eta"] = given["eta"].get<double>();
    const auto solver = solvers.make(*config, choice,
                                     {.steps = given.value("steps", 0),
                                      .timesteps = given.value("timesteps", std::vector<double>{}),
                                      .sigmas = given.value("sigmas", std::vector<double>{}),
                                      .image_tokens = given["image_tokens"].get<int>()});
    ASSERT_TRUE(solver.ok()) << solver.status();
    const auto states = given["states"].get<std::vector<std::vector<float>>>();
    const auto timesteps = given["model_timesteps"].get<std::vector<float>>();
    ASSERT_EQ((*solver)->steps().size(), static_cast<int>(states.size()));
    Noise noise(NoiseKind::kTorchCpu, given["seed"].get<uint64_t>(), 0);
    Operands operands;
    noise.draw(NoisePurpose::kLatents, 0, operands[Operand::kLatents] = std::vector<float>(20));
    for (int index = 0; index < (*solver)->steps().size(); ++index) {
      const float t = (*solver)->steps().timesteps[index];
      ASSERT_NEAR(t, timesteps[index], 1e-6 * timesteps[index]);
      operands[Operand::kOutput] = network(operands[Operand::kLatents], t);
      const std::vector<Combination> step = (*solver)->step(index);
      if (reads_noise(step)) {
        noise.draw(NoisePurpose::kStep, index, operands[Operand::kNoise] = std::vector<float>(20));
      }
      carry_out(step, operands);
      const double relative =
          distance(operands[Operand::kLatents], states[index]) / largest(states[index]);
      ASSERT_LT(relative, 2e-6) << "step " << index;
    }
    const auto narrow = given["last_f32"].get<std::vector<float>>();
    EXPECT_LT(distance(operands[Operand::kLatents], narrow) / largest(narrow), 3e-5) << "f32";
  }
}

}  // namespace
}  // namespace tessera
