#include "engine/denoise/noise.h"

#include <cmath>
#include <fstream>
#include <set>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace tessera {
namespace {

using ::testing::FloatNear;
using ::testing::Pointwise;

std::vector<float> torch_draw(TorchCpuNoise& stream, size_t count) {
  std::vector<float> out(count);
  stream.draw(out);
  return out;
}

std::vector<float> torch_draw(uint64_t seed, size_t count) {
  TorchCpuNoise stream(seed);
  return torch_draw(stream, count);
}

std::vector<float> counter_draw(uint64_t seed, int sample, NoisePurpose purpose, int index,
                                size_t count) {
  std::vector<float> out(count);
  counter_noise(seed, sample, purpose, index, out);
  return out;
}

TEST(TorchCpuNoise, PublishedValues) {
  const auto near = [](std::vector<float> expected) {
    return Pointwise(FloatNear(6e-5f), expected);
  };
  EXPECT_THAT(torch_draw(0, 4), near({1.5410f, -.2934f, -2.1788f, .5684f}));
  EXPECT_THAT(torch_draw(0, 16),
              near({-1.1258f, -1.1524f, -.2506f, -.4339f, .8487f, .6920f, -.3160f, -2.1152f, .3223f,
                    -1.2633f, .3500f, .3081f, .1198f, 1.2377f, 1.1168f, -.2473f}));
  EXPECT_THAT(torch_draw(0, 20),
              near({-1.1258f, -1.1524f, -.2506f, -.4339f, .5988f,  -1.5551f, -.3414f,
                    1.8530f,  .4681f,   -.1577f, 1.4437f, .2660f,  1.3894f,  1.5863f,
                    .9463f,   -.8437f,  .9318f,  1.2590f, 2.0050f, .0537f}));
  EXPECT_THAT(torch_draw(42, 16),
              near({1.9269f, 1.4873f, .9007f, -2.1055f, .6784f, -1.2345f, -.0431f, -1.6047f,
                    -.7521f, 1.6487f, -.3925f, -1.4036f, -.7279f, -.5594f, -.7688f, .7624f}));
}

TEST(TorchCpuNoise, ConsecutiveDrawsOfAllSizes) {
  std::ifstream in(TESSERA_SOURCE_DIR "/tests/golden/denoise/torch_cpu.json");
  const nlohmann::json streams = nlohmann::json::parse(in);
  ASSERT_FALSE(streams.empty());
  for (const nlohmann::json& given : streams) {
    TorchCpuNoise stream(given["seed"].get<uint64_t>());
    for (const nlohmann::json& draw : given["draws"]) {
      const auto expected = draw.get<std::vector<float>>();
      EXPECT_THAT(torch_draw(stream, expected.size()), Pointwise(FloatNear(2e-6f), expected))
          << given["seed"] << " " << expected.size();
    }
  }
}

TEST(TorchCpuNoise, SamplesAreSeededOneByOne) {
  std::vector<float> third(40);
  Noise(NoiseKind::kTorchCpu, 7, 2).draw(NoisePurpose::kLatents, 0, third);
  EXPECT_EQ(third, torch_draw(9, 40));
}

TEST(TorchCudaNoise, PublishedValues) {
  TorchCudaNoise stream(0);
  std::vector<float> out(12);
  stream.draw(out);
  EXPECT_THAT(
      out, Pointwise(FloatNear(6e-5f), {-.9247f, -.4253f, -2.6438f, .1452f, -.1209f, -.5797f,
                                        -.6229f, -.3284f, -1.0745f, -.3631f, -1.6711f, 2.2655f}));
}

// Expected values: the formula in double, from another implementation.
TEST(TorchCudaNoise, EveryCallAndSeedHasItsOwn) {
  const auto near = [](std::vector<float> expected) {
    return Pointwise(FloatNear(6e-5f), expected);
  };
  TorchCudaNoise stream(0);
  std::vector<float> out(5);
  stream.draw(out);
  stream.draw(out);
  EXPECT_THAT(out, near({.1808f, -.5523f, .9238f, -.7350f, 1.3800f}));
  Noise third(NoiseKind::kTorchCuda, (uint64_t{1} << 40) + 5, 2);
  third.draw(NoisePurpose::kLatents, 0, out);
  EXPECT_THAT(out, near({-.4791f, -1.2783f, -.2416f, -.3850f, .2795f}));
  third.draw(NoisePurpose::kStep, 0, out);
  EXPECT_THAT(out, near({-.2733f, .1539f, -1.1433f, .6783f, .8429f}));
}

TEST(NoiseKind, Names) {
  EXPECT_EQ(noise_named("counter"), NoiseKind::kCounter);
  EXPECT_EQ(noise_named("torch_cpu"), NoiseKind::kTorchCpu);
  EXPECT_EQ(noise_named("torch_cuda"), NoiseKind::kTorchCuda);
  EXPECT_EQ(noise_named(""), std::nullopt);
}

TEST(CounterNoise, AnElementDependsOnItsPlaceAlone) {
  const std::vector<float> whole = counter_draw(5, 1, NoisePurpose::kStep, 3, 103);
  for (size_t count : {1u, 2u, 5u, 64u}) {
    const std::vector<float> part = counter_draw(5, 1, NoisePurpose::kStep, 3, count);
    EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin())) << count;
  }
  Noise noise(NoiseKind::kCounter, 5, 1);
  std::vector<float> drawn(103);
  noise.draw(NoisePurpose::kLatents, 0, drawn);
  noise.draw(NoisePurpose::kStep, 3, drawn);
  EXPECT_EQ(drawn, whole) << "depends on what was drawn before";
}

TEST(CounterNoise, EveryPartOfTheKeyGivesAnotherStream) {
  std::set<std::vector<float>> streams;
  for (uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32}) {
    for (int sample : {0, 1}) {
      for (NoisePurpose purpose : {NoisePurpose::kLatents, NoisePurpose::kStep}) {
        for (int index : {0, 1, 999}) streams.insert(counter_draw(seed, sample, purpose, index, 8));
      }
    }
  }
  EXPECT_EQ(streams.size(), 36u);
}

TEST(CounterNoise, IsStandardNormal) {
  const std::vector<float> values = counter_draw(1, 0, NoisePurpose::kLatents, 0, 400000);
  double sum = 0, squares = 0, fourth = 0, neighbours = 0;
  int beyond_two = 0;
  for (size_t at = 0; at < values.size(); ++at) {
    const double value = values[at];
    ASSERT_TRUE(std::isfinite(value));
    sum += value;
    squares += value * value;
    fourth += std::pow(value, 4);
    if (at > 0) neighbours += value * values[at - 1];
    beyond_two += std::abs(value) > 2 ? 1 : 0;
  }
  const auto count = static_cast<double>(values.size());
  // Five standard deviations of each estimate.
  EXPECT_NEAR(sum / count, 0, 5 / std::sqrt(count));
  EXPECT_NEAR(squares / count, 1, 5 * std::sqrt(2 / count));
  EXPECT_NEAR(fourth / count, 3, 5 * std::sqrt(96 / count));
  EXPECT_NEAR(neighbours / count, 0, 5 / std::sqrt(count));
  EXPECT_NEAR(beyond_two / count, 0.0455, 5 * std::sqrt(0.0455 * 0.9545 / count));
}

}  // namespace
}  // namespace tessera
