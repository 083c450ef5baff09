// The diffusion policy transformer (Chi et al., 2023): observations of a robot to a piece of its
// future path. Read from the folder that tools/convert/diffusion_policy.py writes: config.json and
// model.safetensors. Plain data, made once at load; any thread may read it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/weights/json_fields.h"
#include "engine/weights/tensor_list.h"

namespace tessera {

// normalised = value * scale + offset, entry by entry.
struct LinearNormalizer {
  std::vector<float> scale;  // never zero
  std::vector<float> offset;
};

struct ObservationPart {
  std::string name;
  int width = 0;
};

// Causal self-attention, time and observations as condition of every layer, LayerNorm with eps
// 1e-5, GELU by erf; an encoder of two linears with Mish between.
struct DiffusionPolicyConfig {
  int layers = 0;             // L
  int heads = 0;              // H
  int width = 0;              // D, even, a multiple of 2 H
  int action_width = 0;       // Da
  int observation_width = 0;  // Do, of one step, all parts together
  int horizon = 0;            // actions that are denoised together
  int observation_steps = 0;  // To
  int action_steps = 0;       // the answer: actions first_action_step .. + action_steps - 1
  int first_action_step = 0;
  int default_steps = 0;                           // of denoising; 0 = as many as in training
  std::vector<ObservationPart> observation_parts;  // in the order they are concatenated
  LinearNormalizer observation;                    // [Do]
  LinearNormalizer action;                         // [Da]
  std::string scheduler;                           // as in a scheduler_config.json
};

inline constexpr std::string_view kDiffusionPolicyClass = "TransformerForDiffusion";

DiffusionPolicyConfig read_diffusion_policy_config(JsonFields& fields);
std::vector<ExpectedTensor> expected_tensors(const DiffusionPolicyConfig& config);

}  // namespace tessera
