#include "engine/run/builtin.h"

#include "engine/branch/policies/layer_skip.h"
#include "engine/decode/proposers/ngram.h"
#include "engine/layers/attention_kinds/longgen.h"
#include "engine/models/architectures.h"

namespace tessera {

const Builtin& builtin() {
  static const Builtin* const list = [] {
    auto* made = new Builtin;
    made->architectures["LlamaForCausalLM"] = make_llama;
    made->architectures["MistralForCausalLM"] = make_mistral;
    made->architectures["Qwen2ForCausalLM"] = make_qwen2;
    made->architectures["Qwen3ForCausalLM"] = make_qwen3;
    made->proposers.add<Ngram, NgramParams>("ngram");
    made->attention_kinds.add<LongGen, LongGenParams>("longgen");
    made->branch_policies.add<LayerSkip, LayerSkipParams>("layer_skip");
    return made;
  }();
  return *list;
}

}  // namespace tessera
