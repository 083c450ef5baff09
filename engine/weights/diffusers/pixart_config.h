// PixArt-alpha (Chen et al., 2023) as diffusers stores it: text-conditional, one modulation for all
// blocks. Plain data, made once at load; any thread may read it.
#pragma once

#include <string_view>
#include <vector>

#include "engine/weights/diffusers/transformer_shape.h"

namespace tessera {

struct PixArtConfig : TransformerShape {
  int caption_channels = 0;  // width of prompt embeddings, projected to D
  bool attention_bias = true;
  float norm_epsilon = 0;          // of both norms of a block; the last has 1e-6
  double interpolation_scale = 1;  // positions are divided by it
  // Height and width in pixels and the aspect ratio are embedded beside the timestep, D / 3 each.
  bool size_conditions = false;
};

inline constexpr std::string_view kPixArtClass = "PixArtTransformer2DModel";

PixArtConfig read_pixart_config(JsonFields& fields);
std::vector<ExpectedTensor> expected_tensors(const PixArtConfig& config);

// Shared with Latte. The width of prompt embeddings; refuses models that do not project them to D.
int read_caption_channels(JsonFields& fields, int64_t width);
// Tensors around the blocks: patches, one modulation, captions, the answer.
void add_single_modulation(TensorList& list, const TransformerShape& shape, int caption_channels);
// A block of PixArt, or one of Latte's; `cross` = it attends to the prompt.
void add_single_block(TensorList& list, const std::string& name, int64_t width, bool bias,
                      bool cross);

}  // namespace tessera
