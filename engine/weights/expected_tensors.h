// The tensors a config implies, by the names the four families share in their files. Pure; any
// thread. Used to plan memory before anything is loaded and to write model folders.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/weights/model_config.h"

namespace tessera {

struct ExpectedTensor {
  std::string name;            // for example "model.layers.0.self_attn.q_proj.weight"
  std::vector<int64_t> shape;  // a linear is [out, in], an embedding [V, D]
};

// In order of use: the embedding, layer by layer, the last norm, and lm_head unless it is tied.
std::vector<ExpectedTensor> expected_tensors(const ModelConfig& model);

}  // namespace tessera
