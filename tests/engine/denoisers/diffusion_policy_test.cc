#include "engine/denoisers/diffusion_policy.h"

#include "support/denoiser_rig.h"

namespace tessera {
namespace {

TEST(DiffusionPolicy, AnswersAsTheNetworkDoes) {
  GoldenDenoiser<DiffusionPolicyConfig, DiffusionPolicy> policy("policy");
  const DiffusionPolicyConfig& config = policy.config;
  for (const std::string& at : golden_cases(policy.golden)) {
    const DenoiserStages stages = policy.rig.alone(1, policy.inputs(at));
    StageCheck check(policy.golden, at);
    check("embedded", stages.embedded);
    for (int layer = 0; layer < config.layers; ++layer) {
      check("block_" + std::to_string(layer), stages.block[layer]);
    }
    check("output", stages.output);
  }
}

}  // namespace
}  // namespace tessera
