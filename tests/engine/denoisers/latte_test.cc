#include "engine/denoisers/latte.h"

#include "support/denoiser_rig.h"

namespace tessera {
namespace {

TEST(Latte, AnswersAsDiffusersDoes) {
  GoldenDenoiser<LatteConfig, Latte> latte("latte");
  const int64_t all_blocks = latte.config.layers * 6 * latte.config.width();
  for (const std::string& at : golden_cases(latte.golden)) {
    const DenoiserStages stages = latte.rig.alone(1, latte.inputs(at));
    const std::span<const float> modulation = stages.modulation;
    StageCheck check(latte.golden, at);
    check("embedded", stages.embedded);
    check("modulation", modulation.first(all_blocks));
    check("temporal_modulation", modulation.subspan(all_blocks, all_blocks));
    check("final_modulation", modulation.last(2 * latte.config.width()));
    for (int block = 0; block < latte.config.layers; ++block) {
      check("temporal_" + std::to_string(block), stages.block[block]);
    }
    check("output", stages.output);
  }
}

}  // namespace
}  // namespace tessera
