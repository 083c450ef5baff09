// The tensors a config implies, by the names the four families share in their files. Pure; any
// thread. Used to plan memory before anything is loaded and to write model folders.
#pragma once

#include <vector>

#include "engine/weights/model_config.h"
#include "engine/weights/tensor_list.h"

namespace tessera {

// In order of use: the embedding, layer by layer, the last norm, and lm_head unless it is tied.
std::vector<ExpectedTensor> expected_tensors(const ModelConfig& model);

}  // namespace tessera
