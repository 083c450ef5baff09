#include "engine/denoisers/dit.h"

#include "support/denoiser_rig.h"

namespace tessera {
namespace {

TEST(Dit, AnswersAsDiffusersDoes) {
  GoldenDenoiser<DitConfig, Dit> dit("dit");
  for (const std::string& at : golden_cases(dit.golden)) {
    const DenoiserStages stages = dit.rig.alone(1, dit.inputs(at));
    const std::span<const float> modulation = stages.modulation;
    StageCheck check(dit.golden, at);
    check("embedded", stages.embedded);
    check("modulation", modulation.first(modulation.size() - 2 * dit.config.width()));
    check("final_modulation", modulation.last(2 * dit.config.width()));
    for (int block = 0; block < dit.config.layers; ++block) {
      check("block_" + std::to_string(block), stages.block[block]);
    }
    check("output", stages.output);
  }
}

}  // namespace
}  // namespace tessera
