#include "engine/denoise/noise.h"

#include <cmath>
#include <numbers>

#include "kernels/ops/philox.h"

namespace tessera {
namespace {

// Keeps the draws of diffusion apart from those of text, whose purposes are small.
constexpr uint32_t kDiffusionStream = 0x80000000;
constexpr size_t kBlock = 16;

// In place, u in [0, 1): entries 0..7 are radii, 8..15 angles.
void box_muller(std::span<float> block) {
  for (size_t at = 0; at < kBlock / 2; ++at) {
    const float logarithm = static_cast<float>(std::log(double{1 - block[at]}));
    const float radius = std::sqrt(-2 * logarithm);
    const float angle = 2 * std::numbers::pi_v<float> * block[at + kBlock / 2];
    block[at] = radius * static_cast<float>(std::cos(double{angle}));
    block[at + kBlock / 2] = radius * static_cast<float>(std::sin(double{angle}));
  }
}

double open_uniform(uint32_t word) { return (word + 0.5) * 0x1p-32; }

PhiloxKey key_of(uint64_t seed) {
  return {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
}

}  // namespace

std::optional<NoiseKind> noise_named(std::string_view name) {
  if (name == "counter") return NoiseKind::kCounter;
  if (name == "torch_cpu") return NoiseKind::kTorchCpu;
  if (name == "torch_cuda") return NoiseKind::kTorchCuda;
  return std::nullopt;
}

void counter_noise(uint64_t seed, int32_t sample, NoisePurpose purpose, int32_t index,
                   std::span<float> out) {
  for (size_t begin = 0; begin < out.size(); begin += 4) {
    const PhiloxCounter words = philox4x32_10(
        {static_cast<uint32_t>(begin / 4), static_cast<uint32_t>(index),
         static_cast<uint32_t>(purpose) | kDiffusionStream, static_cast<uint32_t>(sample)},
        key_of(seed));
    for (size_t at = begin; at < std::min(begin + 4, out.size()); ++at) {
      const size_t pair = (at - begin) / 2 * 2;
      const double radius = std::sqrt(-2 * std::log(open_uniform(words[pair])));
      const double angle = 2 * std::numbers::pi * open_uniform(words[pair + 1]);
      out[at] = static_cast<float>(radius * (at % 2 == 0 ? std::cos(angle) : std::sin(angle)));
    }
  }
}

double TorchCpuNoise::next_double() {
  const uint64_t high = words_();
  const uint64_t low = words_();
  return static_cast<double>((high << 32 | low) & ((uint64_t{1} << 53) - 1)) * 0x1p-53;
}

void TorchCpuNoise::draw_few(std::span<float> out) {
  for (float& value : out) {
    if (sine_.has_value()) {
      value = static_cast<float>(*sine_);
      sine_.reset();
      continue;
    }
    const double turn = next_double(), share = next_double();
    const double radius = std::sqrt(-2 * std::log1p(-share));
    const double angle = 2 * std::numbers::pi * turn;
    sine_ = radius * std::sin(angle);
    value = static_cast<float>(radius * std::cos(angle));
  }
}

void TorchCpuNoise::draw_uniform(std::span<float> out) {
  for (float& value : out) value = static_cast<float>(words_() & 0xFFFFFF) * 0x1p-24f;
}

void TorchCpuNoise::draw(std::span<float> out) {
  if (out.size() < kBlock) return draw_few(out);
  draw_uniform(out);
  for (size_t begin = 0; begin + kBlock <= out.size(); begin += kBlock) {
    box_muller(out.subspan(begin, kBlock));
  }
  if (out.size() % kBlock == 0) return;
  draw_uniform(out.last(kBlock));
  box_muller(out.last(kBlock));
}

void TorchCudaNoise::draw(std::span<float> out) {
  constexpr float kTurn = 2 * std::numbers::pi_v<float> * 0x1p-32f;
  for (size_t at = 0; at < out.size(); ++at) {
    const PhiloxCounter words =
        philox4x32_10({calls_, 0, static_cast<uint32_t>(at), 0}, key_of(seed_));
    const float share = static_cast<float>(words[0]) * 0x1p-32f + 0x1p-33f;
    const float angle = static_cast<float>(words[1]) * kTurn + kTurn / 2;
    out[at] = static_cast<float>(std::sqrt(-2 * std::log(double{share})) * std::sin(double{angle}));
  }
  ++calls_;
}

void Noise::draw(NoisePurpose purpose, int32_t index, std::span<float> out) {
  switch (kind_) {
    case NoiseKind::kCounter:
      return counter_noise(seed_, sample_, purpose, index, out);
    case NoiseKind::kTorchCpu:
      return torch_cpu_.draw(out);
    case NoiseKind::kTorchCuda:
      return torch_cuda_.draw(out);
  }
}

}  // namespace tessera
