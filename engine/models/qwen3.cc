// Qwen3ForCausalLM: Qwen3 dense: RMS norm on each head of q and k, head width of its own.
#include "engine/models/architectures.h"
#include "engine/models/decoder.h"

namespace tessera {

std::unique_ptr<Model> make_qwen3(const ModelShape& shape, Region& weights) {
  return std::make_unique<DecoderModel>(shape, weights);
}

}  // namespace tessera
