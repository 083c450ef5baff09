// MistralForCausalLM: Mistral 7B 0.1 (windowed) to 0.3 and Nemo (head width apart from width /
// heads).
#include "engine/models/architectures.h"
#include "engine/models/decoder.h"

namespace tessera {

std::unique_ptr<Model> make_mistral(const ModelShape& shape, Region& weights) {
  return std::make_unique<DecoderModel>(shape, weights);
}

}  // namespace tessera
