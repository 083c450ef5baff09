// Unified Layer Skipping (Liu et al., 2024). While generating, only a fixed, evenly spread subset
// of layers runs, chosen from the target speed-up alone; prompts run all layers. Input-independent,
// so batching and KV caching keep working. Lossy unless the model was fine-tuned for it.
#include "engine/branch/policies/layer_skip.h"

#include <cmath>
#include <cstdio>

namespace tessera {

std::vector<int> kept_layers(int layers, double speedup) {
  std::vector<int> kept;
  const int count = speedup <= 1 ? layers : static_cast<int>(std::floor(layers / speedup));
  if (layers <= 2 || count >= layers) {
    for (int layer = 0; layer < layers; ++layer) kept.push_back(layer);
    return kept;
  }
  if (count < 3) return {0, layers - 1};
  if (speedup < 2) {
    // The published interval rule degenerates to a prefix below 2; spread evenly instead.
    for (int step = 0; step < count; ++step) {
      kept.push_back(static_cast<int>(std::lround(step * (layers - 1.0) / (count - 1.0))));
    }
    return kept;
  }
  const int interval = layers / (count - 1);
  kept.push_back(0);
  for (int layer = 1; layer < layers - 1; ++layer) {
    if (layer % interval == 0 && static_cast<int>(kept.size()) + 1 < count) kept.push_back(layer);
  }
  kept.push_back(layers - 1);
  return kept;
}

LayerSkip::LayerSkip(const LayerSkipParams& params, const BranchModel& model)
    : sites_(model.sites), kept_(model.layers, false) {
  for (int layer : kept_layers(model.layers, params.speedup)) kept_[layer] = true;
}

std::vector<Verdict> LayerSkip::verdicts(bool of_prompt) const {
  std::vector<Verdict> verdicts;
  for (const Site& site : sites_) {
    verdicts.push_back(of_prompt || kept_[site.layer] ? Verdict::kRun : Verdict::kSkip);
  }
  return verdicts;
}

std::vector<int> LayerSkip::layers_without_generated_kv() const {
  std::vector<int> layers;
  for (size_t layer = 0; layer < kept_.size(); ++layer) {
    if (!kept_[layer]) layers.push_back(static_cast<int>(layer));
  }
  return layers;
}

std::string LayerSkip::kv_namespace() const {
  std::string name = "layers:";
  bool complete = true;
  for (bool kept : kept_) {
    name += kept ? '1' : '0';
    complete = complete && kept;
  }
  return complete ? "" : name;
}

}  // namespace tessera
