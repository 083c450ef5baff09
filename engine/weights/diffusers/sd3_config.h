// The MM-DiT of Stable Diffusion 3 and 3.5 as diffusers stores it: joint attention of picture and
// prompt. Plain data, made once at load; any thread may read it.
#pragma once

#include <string_view>
#include <vector>

#include "engine/weights/diffusers/transformer_shape.h"

namespace tessera {

struct Sd3Config : TransformerShape {
  int prompt_width = 0;   // of prompt embeddings
  int pooled_width = 0;   // of the pooled prompt embedding
  int position_size = 0;  // the stored position table is for position_size x position_size tokens
  bool qk_norm = false;   // RMS norm (eps 1e-6) over each head of q and k, of both streams
  // [L] blocks with a second self-attention over the picture alone.
  std::vector<bool> dual_attention = {};
};

inline constexpr std::string_view kSd3Class = "SD3Transformer2DModel";

Sd3Config read_sd3_config(JsonFields& fields);
std::vector<ExpectedTensor> expected_tensors(const Sd3Config& config);

}  // namespace tessera
