#include "engine/weights/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/core/check.h"

namespace tessera {
namespace {

// base ** (channel / width) of the even channels. The exponent and the result are f32; the power in
// between is taken in f64, which is within one unit of every f32 library.
std::vector<float> position_periods(double theta, int head_width) {
  std::vector<float> periods(head_width / 2);
  for (int pair = 0; pair < head_width / 2; ++pair) {
    const float exponent = static_cast<float>(2 * pair) / static_cast<float>(head_width);
    periods[pair] =
        static_cast<float>(std::pow(static_cast<double>(static_cast<float>(theta)), exponent));
  }
  return periods;
}

float llama3_frequency(const RopeConfig& rope, float frequency) {
  const float factor = static_cast<float>(rope.factor);
  const float low = static_cast<float>(rope.low_freq_factor);
  const float band = static_cast<float>(rope.high_freq_factor - rope.low_freq_factor);
  const double original = rope.original_positions;
  // A scalar divided by a tensor is reciprocal, then product, in the reference.
  const float wavelength = (1.0f / frequency) * static_cast<float>(2 * std::numbers::pi);
  if (wavelength > static_cast<float>(original / rope.low_freq_factor)) return frequency / factor;
  if (wavelength < static_cast<float>(original / rope.high_freq_factor)) return frequency;
  const float smooth = ((1.0f / wavelength) * static_cast<float>(original) - low) / band;
  return (1.0f - smooth) * frequency / factor + smooth * frequency;
}

// The channel pair that turns `rotations` times over the pretraining's positions.
double yarn_correction_pair(const RopeConfig& rope, double rotations, int head_width) {
  return head_width * std::log(rope.original_positions / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(rope.theta));
}

std::vector<float> yarn_frequencies(const RopeConfig& rope, int head_width) {
  const std::vector<float> periods = position_periods(rope.theta, head_width);
  double low = yarn_correction_pair(rope, rope.beta_fast, head_width);
  double high = yarn_correction_pair(rope, rope.beta_slow, head_width);
  if (rope.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(head_width - 1));
  if (low == high) high += 0.001;  // the reference's guard against a zero ramp

  std::vector<float> frequencies(periods.size());
  for (size_t pair = 0; pair < periods.size(); ++pair) {
    const float extrapolated = 1.0f / periods[pair];
    const float interpolated = 1.0f / (static_cast<float>(rope.factor) * periods[pair]);
    const float ramp =
        (static_cast<float>(pair) - static_cast<float>(low)) / static_cast<float>(high - low);
    const float keep = 1.0f - std::clamp(ramp, 0.0f, 1.0f);
    frequencies[pair] = interpolated * (1.0f - keep) + extrapolated * keep;
  }
  return frequencies;
}

double yarn_scale(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

}  // namespace

std::vector<double> rope_inverse_frequencies(const RopeConfig& rope, int head_width) {
  CHECK(head_width > 0 && head_width % 2 == 0);
  if (rope.kind == RopeKind::kYarn) {
    const std::vector<float> frequencies = yarn_frequencies(rope, head_width);
    return {frequencies.begin(), frequencies.end()};
  }
  std::vector<double> frequencies;
  for (const float period : position_periods(rope.theta, head_width)) {
    float frequency = 1.0f / period;
    if (rope.kind == RopeKind::kLinear) frequency /= static_cast<float>(rope.factor);
    if (rope.kind == RopeKind::kLlama3) frequency = llama3_frequency(rope, frequency);
    frequencies.push_back(frequency);
  }
  return frequencies;
}

double rope_attention_scale(const RopeConfig& rope) {
  if (rope.kind != RopeKind::kYarn) return 1.0;
  if (rope.attention_factor.has_value()) return *rope.attention_factor;
  if (rope.mscale != 0 && rope.mscale_all_dim != 0) {
    return yarn_scale(rope.factor, rope.mscale) / yarn_scale(rope.factor, rope.mscale_all_dim);
  }
  return yarn_scale(rope.factor, 1.0);
}

}  // namespace tessera
