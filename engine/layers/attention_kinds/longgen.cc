// LongGen (Ge et al., 2024): a third of the layers, in the middle, keep full attention; the others
// see the first tokens, the last tokens and, where asked, every n-th block, and store no other KV.
// Lossy for a model that was not trained so.
#include "engine/layers/attention_kinds/longgen.h"

#include <cmath>

namespace tessera {

absl::StatusOr<std::vector<LayerAttention>> LongGen::layers(const ModelConfig& config) const {
  const int full = static_cast<int>(std::lround(config.layers * params_.full_fraction));
  const int first_full = (config.layers - full) / 2;
  std::vector<LayerAttention> layers = config.layer_attention;
  for (int layer = 0; layer < config.layers; ++layer) {
    if (layer >= first_full && layer < first_full + full) continue;
    if (layers[layer].window_tokens > 0) {
      return absl::InvalidArgumentError(
          "attention: layer " + std::to_string(layer) + " has a window of its own (" +
          std::to_string(layers[layer].window_tokens) + " tokens) in config.json");
    }
    layers[layer].window_tokens = static_cast<int>(params_.window);
    layers[layer].sink_tokens = static_cast<int>(params_.sink);
    layers[layer].block_stride = static_cast<int>(params_.block_stride);
    layers[layer].block_tokens = static_cast<int>(params_.block_tokens);
  }
  return layers;
}

}  // namespace tessera
