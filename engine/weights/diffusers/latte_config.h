// Latte (Ma et al., 2024) as diffusers stores it: video; spatial blocks as PixArt's and temporal
// blocks take turns. Plain data, made once at load; any thread may read it.
#pragma once

#include <string_view>
#include <vector>

#include "engine/weights/diffusers/transformer_shape.h"

namespace tessera {

struct LatteConfig : TransformerShape {
  int caption_channels = 0;  // width of prompt embeddings, projected to D
  int frames = 0;            // of training: where the temporal position table ends
  bool attention_bias = false;
  float norm_epsilon = 0;          // of both norms of a block; the last has 1e-6
  double interpolation_scale = 1;  // positions within a frame are divided by it
};

inline constexpr std::string_view kLatteClass = "LatteTransformer3DModel";

LatteConfig read_latte_config(JsonFields& fields);
std::vector<ExpectedTensor> expected_tensors(const LatteConfig& config);

}  // namespace tessera
