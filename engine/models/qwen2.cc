// Qwen2ForCausalLM: Qwen2 and Qwen2.5: biased q, k, v; windows on upper layers where configured.
#include "engine/models/architectures.h"
#include "engine/models/decoder.h"

namespace tessera {

std::unique_ptr<Model> make_qwen2(const ModelShape& shape, Region& weights) {
  return std::make_unique<DecoderModel>(shape, weights);
}

}  // namespace tessera
