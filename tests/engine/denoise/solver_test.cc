#include "engine/denoise/solver.h"

#include <random>

#include "gmock/gmock.h"
#include "support/solver_rig.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<Solver> make(const std::string& solver, PolicyParams params,
                             const StepRequest& request) {
  auto made = all_solvers().make({.solver = solver, .params = std::move(params), .ignored = {}}, {},
                                 request);
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

double coefficient(const Combination& combination, Operand operand) {
  for (const AffineTerm& term : combination.terms) {
    if (term.operand == operand) return term.coefficient;
  }
  return 0;
}

void expect_terms(const Combination& combination,
                  const std::vector<std::pair<Operand, double>>& expected) {
  for (const auto& [operand, value] : expected) {
    EXPECT_NEAR(coefficient(combination, operand), value, 6e-7) << static_cast<int>(operand);
  }
}

TEST(Ddim, PublishedCoefficients) {
  const auto solver = make("ddim", {{"clip_sample", false}}, {.steps = 50});
  const auto expect = [&](int index, double latents, double output) {
    const std::vector<Combination> step = solver->step(index);
    ASSERT_EQ(step.size(), 1u);
    expect_terms(step[0], {{Operand::kLatents, latents}, {Operand::kOutput, output}});
  };
  expect(0, 1.216814, -.216822);
  expect(24, 1.104285, -.109076);
  expect(48, 1.003097, -.069394);
  expect(49, 1.000050, -.010001);
  EXPECT_EQ(solver->needs().noise_draws, 0);
  EXPECT_FALSE(solver->needs().denoised);
  EXPECT_EQ(solver->needs().histories, 0);
}

TEST(Ddpm, PublishedCoefficients) {
  const auto solver = make("ddpm",
                           {{"num_train_timesteps", int64_t{100}},
                            {"beta_schedule", "squaredcos_cap_v2"},
                            {"clip_sample", true}},
                           {.steps = 100});
  const auto expect = [&](int t, double clean, double latents, double noise) {
    const std::vector<Combination> step = solver->step(99 - t);
    ASSERT_EQ(step.size(), 2u);
    EXPECT_EQ(step[0].out, Operand::kDenoised);
    EXPECT_EQ(step[0].clip, 1);
    expect_terms(
        step[1],
        {{Operand::kDenoised, clean}, {Operand::kLatents, latents}, {Operand::kNoise, noise}});
  };
  expect(99, .015568, .031615, .999379);
  expect(50, .042491, .954715, .174941);
  expect(1, .638956, .361044, .020087);
  expect(0, 1, 0, 0);
  EXPECT_EQ(solver->needs().noise_draws, 99);
  EXPECT_TRUE(solver->needs().denoised);
}

TEST(DpmPp2m, PublishedCoefficients) {
  const auto solver = make("dpmpp_2m", {}, {.steps = 20});
  const std::vector<float>& sigmas = solver->steps().sigmas;
  ASSERT_EQ(sigmas.size(), 21u);
  for (const auto& [index, sigma] : std::map<int, double>{{0, 157.407},
                                                          {1, 96.1761},
                                                          {2, 60.2714},
                                                          {3, 38.7364},
                                                          {17, .521965},
                                                          {18, .34226},
                                                          {19, .17601},
                                                          {20, 0}}) {
    EXPECT_NEAR(sigmas[index], sigma, 1e-5 * sigma) << index;
  }
  expect_terms(solver->step(0)[1], {{Operand::kLatents, .999966}, {Operand::kHistory0, .004044}});
  const double d0 = .006193, d1 = .003097, r0 = 1.054208;
  expect_terms(solver->step(1)[1], {{Operand::kLatents, .999916},
                                    {Operand::kHistory1, d0 + d1 / r0},
                                    {Operand::kHistory0, -d1 / r0}});
  const std::vector<Combination> last = solver->step(19);
  ASSERT_EQ(last.size(), 1u);
  const Combination clean = solver->denoised(19);
  expect_terms(last[0], {{Operand::kLatents, coefficient(clean, Operand::kLatents)},
                         {Operand::kOutput, coefficient(clean, Operand::kOutput)}});
  EXPECT_EQ(solver->needs().histories, 2);
}

TEST(FlowEuler, PublishedSigmas) {
  const auto expect = [](const Solver& solver, std::vector<double> first,
                         std::vector<double> last) {
    const std::vector<float>& sigmas = solver.steps().sigmas;
    ASSERT_EQ(sigmas.size(), 29u);
    for (size_t at = 0; at < first.size(); ++at) EXPECT_NEAR(sigmas[at], first[at], 6e-7);
    for (size_t at = 0; at < last.size(); ++at) {
      EXPECT_NEAR(sigmas[sigmas.size() - last.size() + at], last[at], 6e-7);
    }
    EXPECT_FLOAT_EQ(solver.steps().timesteps[1], sigmas[1] * 1000);
  };
  expect(*make("flow_euler", {{"shift", 3.0}}, {.steps = 28}), {1, .987381, .974108, .960129},
         {.199827, .110906, .008929, 0});
  StepRequest listed;
  for (int at = 0; at < 28; ++at) listed.sigmas.push_back(1 + at * (1.0 / 28 - 1) / 27);
  listed.image_tokens = 4096;
  expect(*make("flow_euler", {{"use_dynamic_shifting", true}}, listed), {1, .988409, .976222},
         {.195455, .104721, 0});
}

TEST(FlowEuler, ListsThatCannotBe) {
  const Solvers solvers = all_solvers();
  const auto error = [&](PolicyParams params, const StepRequest& request) {
    const auto made = solvers.make(
        {.solver = "flow_euler", .params = std::move(params), .ignored = {}}, {}, request);
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(made.status().message());
  };
  EXPECT_THAT(error({}, {.timesteps = {900, 5}}), HasSubstr("give sigmas"));
  EXPECT_THAT(error({}, {.sigmas = {1, 1.5}}), HasSubstr("sigmas[1] is 1.5, must be in"));
  EXPECT_THAT(error({}, {.sigmas = {1, .5, .5}}), HasSubstr("sigmas[2] is 0.5, must be below"));
  EXPECT_THAT(error({}, {.sigmas = {std::nan("")}}), HasSubstr("sigmas[0]"));
  EXPECT_THAT(error({}, {.steps = 1001}), HasSubstr("steps is 1001"));
  EXPECT_THAT(
      error({{"use_dynamic_shifting", true}}, {.steps = 4, .image_tokens = int64_t{1} << 40}),
      HasSubstr("tokens give a shift"));
  EXPECT_THAT(
      error({{"use_dynamic_shifting", true}, {"max_image_seq_len", int64_t{256}}}, {.steps = 4}),
      HasSubstr("max_image_seq_len is 256"));
}

// If the network predicts clean latents c exactly, every solver ends at c.
TEST(Solvers, AnExactPredictionIsReached) {
  std::mt19937 random(3);
  for (const char* prediction : {"epsilon", "sample", "v_prediction"}) {
    for (const std::string name : {"ddim", "ddpm", "dpmpp_2m"}) {
      for (int steps : {1, 2, 3, 8, 14, 15, 50}) {
        // Where the count does not divide T, DDIM ends a little above 0, as in diffusers.
        if (name == "ddim" && 1000 % steps != 0) continue;
        SCOPED_TRACE(name + " " + prediction + " " + std::to_string(steps));
        PolicyParams params{{"prediction_type", prediction}, {"timestep_spacing", "trailing"}};
        const auto solver = make(name, params, {.steps = steps});
        const float clean = 0.25f;
        Operands operands{{Operand::kLatents, {-1.3f}}};
        for (int index = 0; index < steps; ++index) {
          const int t = static_cast<int>(solver->steps().timesteps[index]);
          const double product = alpha_products({})[t];
          const double x = operands[Operand::kLatents][0];
          const double noise = (x - std::sqrt(product) * clean) / std::sqrt(1 - product);
          double answer = noise;
          if (std::string(prediction) == "sample") answer = clean;
          if (std::string(prediction) == "v_prediction") {
            answer = std::sqrt(product) * noise - std::sqrt(1 - product) * clean;
          }
          operands[Operand::kOutput] = {static_cast<float>(answer)};
          Operands predicted = operands;
          carry_out(solver->denoised(index), predicted);
          EXPECT_NEAR(predicted[Operand::kDenoised][0], clean, 3e-5 / std::sqrt(product));
          operands[Operand::kNoise] = {std::normal_distribution<float>()(random)};
          carry_out(solver->step(index), operands);
        }
        EXPECT_NEAR(operands[Operand::kLatents][0], clean, steps == 1 ? 1e-3 : 2e-4);
      }
    }
  }
}

TEST(Solvers, NoiseIsReadWhereItIsCounted) {
  for (const auto& [eta, draws] : std::map<double, int>{{0, 0}, {0.5, 9}}) {
    const auto solver = make("ddim", {{"eta", eta}}, {.steps = 10});
    EXPECT_EQ(solver->needs().noise_draws, draws) << "the last step ends without noise";
    int counted = 0;
    for (int index = 0; index < 10; ++index) counted += reads_noise(solver->step(index)) ? 1 : 0;
    EXPECT_EQ(counted, draws);
  }
}

// A history may only be read after the step before has written it.
TEST(Solvers, HistoriesAreWrittenBeforeTheyAreRead) {
  for (const char* final_sigma : {"zero", "sigma_min"}) {
    for (int steps = 1; steps <= 30; ++steps) {
      const auto solver = make("dpmpp_2m", {{"final_sigmas_type", final_sigma}}, {.steps = steps});
      Operands operands{{Operand::kLatents, {1.f}}, {Operand::kOutput, {0.5f}}};
      for (int index = 0; index < steps; ++index) {
        for (const Combination& combination : solver->step(index)) {
          for (const AffineTerm& term : combination.terms) {
            ASSERT_TRUE(operands.contains(term.operand)) << steps << " " << index;
            ASSERT_TRUE(std::isfinite(term.coefficient));
          }
          carry_out(combination, operands);
        }
        // Only the newest survives: what two steps ago left must not be needed.
        operands.erase(index % 2 == 0 ? Operand::kHistory1 : Operand::kHistory0);
      }
    }
  }
}

}  // namespace
}  // namespace tessera
