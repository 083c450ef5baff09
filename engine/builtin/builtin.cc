#include "engine/builtin/builtin.h"

#include "engine/branch/policies/bac.h"
#include "engine/branch/policies/delta_cache.h"
#include "engine/branch/policies/first_block_cache.h"
#include "engine/branch/policies/layer_skip.h"
#include "engine/branch/policies/pab.h"
#include "engine/branch/policies/uniform_reuse.h"
#include "engine/decode/proposers/ngram.h"
#include "engine/denoise/guidance/adaptive_guidance.h"
#include "engine/denoise/guidance/classifier_free.h"
#include "engine/denoise/solvers/ddim.h"
#include "engine/denoise/solvers/ddpm.h"
#include "engine/denoise/solvers/dpmpp_2m.h"
#include "engine/denoise/solvers/flow_euler.h"
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
    made->architectures["TesseraRecurrentForCausalLM"] = make_tessera_recurrent;
    made->proposers.add<Ngram, NgramParams>("ngram");
    made->attention_kinds.add<LongGen, LongGenParams>("longgen");
    made->branch_policies.add<LayerSkip, LayerSkipParams>("layer_skip");
    made->solvers.add<Ddim>("ddim");
    made->solvers.add<Ddpm>("ddpm");
    made->solvers.add<DpmPp2m>("dpmpp_2m");
    made->solvers.add<FlowEuler>("flow_euler");
    made->guidance_policies.add<ClassifierFree, ClassifierFreeParams>("classifier_free");
    made->plain_guidance = "classifier_free";
    made->guidance_policies.add<AdaptiveGuidance, AdaptiveGuidanceParams>("adaptive_guidance");
    made->cache_policies.add<Pab, PabParams>("pab");
    made->cache_policies.add<DeltaCache, DeltaCacheParams>("delta_cache");
    made->cache_policies.add<Bac, BacParams>("bac");
    made->cache_policies.add<FirstBlockCache, FirstBlockCacheParams>("first_block_cache");
    made->cache_policies.add<UniformReuse, UniformReuseParams>("uniform_reuse");
    return made;
  }();
  return *list;
}

}  // namespace tessera
