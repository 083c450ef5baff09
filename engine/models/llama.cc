// LlamaForCausalLM: Llama 2, 3, 3.1, 3.2 and everything published in that form (TinyLlama, SmolLM2,
// R1 distills).
#include "engine/models/architectures.h"
#include "engine/models/decoder.h"

namespace tessera {

std::unique_ptr<Model> make_llama(const ModelShape& shape, Region& weights) {
  return std::make_unique<DecoderModel>(shape, weights);
}

}  // namespace tessera
