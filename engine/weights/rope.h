// Rotary position embedding of a text model: the parameters as config.json states them and the two
// pure functions that turn them into numbers. Plain values; any thread may call.
//
// The functions follow transformers' f32 arithmetic step by step, because a frequency that is right
// in real numbers but rounded elsewhere moves the logits at long positions. The consumer must go on
// in f32: angle = float(position) * float(frequency), then cos and sin of that f32 angle, each
// times float(rope_attention_scale). Channel c of a head pairs with channel c + head_width / 2.
#pragma once

#include <optional>
#include <vector>

namespace tessera {

enum class RopeKind { kDefault, kLinear, kLlama3, kYarn };

struct RopeConfig {
  RopeKind kind = RopeKind::kDefault;
  double theta = 10000.0;
  double factor = 1.0;          // linear, llama3, yarn: how far the context is stretched
  int original_positions = 0;   // llama3, yarn: positions of the pretraining
  double low_freq_factor = 1;   // llama3
  double high_freq_factor = 4;  // llama3
  double beta_fast = 32;        // yarn
  double beta_slow = 1;         // yarn
  bool truncate = true;         // yarn: the correction range is rounded outwards to whole channels
  std::optional<double> attention_factor =
      std::nullopt;           // yarn: overrides the value computed from factor
  double mscale = 0;          // yarn: 0 = absent
  double mscale_all_dim = 0;  // yarn: 0 = absent
};

// Angle per position of each channel pair: [head_width / 2] values, each exactly an f32.
// REQUIRES: head_width even and positive; the config parsed by parse_model_config.
std::vector<double> rope_inverse_frequencies(const RopeConfig& rope, int head_width);

// What cos and sin are multiplied by; 1 for every kind but yarn.
double rope_attention_scale(const RopeConfig& rope);

}  // namespace tessera
