#include "engine/denoisers/pixart.h"

#include "support/denoiser_rig.h"

namespace tessera {
namespace {

class PixArtTest : public testing::TestWithParam<const char*> {};

TEST_P(PixArtTest, AnswersAsDiffusersDoes) {
  GoldenDenoiser<PixArtConfig, PixArt> pixart(GetParam());
  for (const std::string& at : golden_cases(pixart.golden)) {
    const DenoiserStages stages = pixart.rig.alone(1, pixart.inputs(at));
    const std::span<const float> modulation = stages.modulation;
    StageCheck check(pixart.golden, at);
    check("embedded", stages.embedded);
    check("modulation", modulation.first(modulation.size() - 2 * pixart.config.width()));
    check("final_modulation", modulation.last(2 * pixart.config.width()));
    for (int block = 0; block < pixart.config.layers; ++block) {
      check("block_" + std::to_string(block), stages.block[block]);
    }
    check("output", stages.output);
  }
}

INSTANTIATE_TEST_SUITE_P(Folders, PixArtTest, testing::Values("pixart", "pixart_sizes"));

}  // namespace
}  // namespace tessera
