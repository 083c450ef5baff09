#include "engine/denoisers/sd3.h"

#include "support/denoiser_rig.h"

namespace tessera {
namespace {

class Sd3Test : public testing::TestWithParam<const char*> {};

TEST_P(Sd3Test, AnswersAsDiffusersDoes) {
  GoldenDenoiser<Sd3Config, Sd3> sd3(GetParam());
  for (const std::string& at : golden_cases(sd3.golden)) {
    const DenoiserStages stages = sd3.rig.alone(1, sd3.inputs(at));
    StageCheck check(sd3.golden, at);
    check("embedded", stages.embedded);
    check("context", stages.embedded_context);
    size_t column = 0;
    const auto modulation = [&](const std::string& name) {
      const size_t width = sd3.golden.get(at + name).size();
      check(name, std::span(stages.modulation).subspan(column, width));
      column += width;
    };
    for (int block = 0; block < sd3.config.layers; ++block) {
      const std::string rank = std::to_string(block);
      modulation("modulation_" + rank);
      modulation("context_modulation_" + rank);
      check("block_" + rank, stages.block[block]);
      if (block + 1 < sd3.config.layers) check("context_" + rank, stages.context[block]);
    }
    modulation("final_modulation");
    check("output", stages.output);
  }
}

INSTANTIATE_TEST_SUITE_P(Folders, Sd3Test, testing::Values("sd3", "sd3_dual"));

}  // namespace
}  // namespace tessera
