// DiT (Peebles & Xie, 2023) as diffusers stores it: class-conditional, adaLN-zero in every block.
// Plain data, made once at load; any thread may read it.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "engine/weights/diffusers/transformer_shape.h"
#include "engine/weights/tensor_files.h"

namespace tessera {

struct DitConfig : TransformerShape {
  int classes = 0;  // labels 0..classes-1; `classes` itself is the null class
  bool attention_bias = true;
  float norm_epsilon = 0;  // of the norm before the MLP; the others have 1e-6
};

inline constexpr std::string_view kDitClass = "DiTTransformer2DModel";

DitConfig read_dit_config(JsonFields& fields);

// Every block of a checkpoint may carry a copy of the timestep and class embedders. Only block 0's
// is expected; drop_embedder_copies takes the others away.
std::vector<ExpectedTensor> expected_tensors(const DitConfig& config);
// Error naming the first copy that differs from block 0's embedder.
absl::Status drop_embedder_copies(const DitConfig& config, TensorFiles& files);

}  // namespace tessera
