// That the goldens notice: an input that is wrong by little moves the answer of every family by far
// more than the tests allow.
#include "engine/denoisers/diffusion_policy.h"
#include "engine/denoisers/dit.h"
#include "engine/denoisers/latte.h"
#include "engine/denoisers/pixart.h"
#include "engine/denoisers/sd3.h"
#include "support/denoiser_rig.h"

namespace tessera {
namespace {

using Mistake = std::pair<const char*, void (*)(DenoiserInputs&)>;

const Mistake kTimestep = {"the timestep is off by ten", [](auto& in) { in.timestep += 10; }};
const Mistake kLabel = {"the label is another", [](auto& in) { in.label += 1; }};
const Mistake kNoise = {"two latents are swapped",
                        [](auto& in) { std::swap(in.latents.front(), in.latents.back()); }};
const Mistake kPrompt = {"the prompt begins with its end",
                         [](auto& in) { std::swap(in.prompt.front(), in.prompt.back()); }};
const Mistake kPooled = {"the pooled prompt is reversed",
                         [](auto& in) { std::reverse(in.pooled.begin(), in.pooled.end()); }};
const Mistake kSizes = {"the aspect ratio is upside down",
                        [](auto& in) { in.extra[2] = in.extra[1] / in.extra[0] + 1; }};

template <class Config, class Network>
void check_mistakes(const std::string& name, const std::vector<Mistake>& mistakes) {
  GoldenDenoiser<Config, Network> made(name);
  const std::string at = "case_0.";
  const DenoiserInputs inputs = made.inputs(at);
  const std::vector<float> right = made.rig.alone(0, inputs).output;
  for (const auto& [what, make] : mistakes) {
    DenoiserInputs wrong = inputs;
    make(wrong);
    EXPECT_GT(worst_sigma(made.rig.alone(0, wrong).output, right), 1e-3) << name << ": " << what;
  }
}

TEST(Mistakes, MoveDit) { check_mistakes<DitConfig, Dit>("dit", {kTimestep, kLabel, kNoise}); }
TEST(Mistakes, MovePixArt) {
  check_mistakes<PixArtConfig, PixArt>("pixart", {kTimestep, kPrompt, kNoise});
  check_mistakes<PixArtConfig, PixArt>("pixart_sizes", {kTimestep, kPrompt, kNoise, kSizes});
}
TEST(Mistakes, MoveLatte) {
  check_mistakes<LatteConfig, Latte>("latte", {kTimestep, kPrompt, kNoise});
}
TEST(Mistakes, MoveSd3) {
  for (const char* const name : {"sd3", "sd3_dual"}) {
    check_mistakes<Sd3Config, Sd3>(name, {kTimestep, kPrompt, kPooled, kNoise});
  }
}
TEST(Mistakes, MoveTheDiffusionPolicy) {
  check_mistakes<DiffusionPolicyConfig, DiffusionPolicy>("policy", {kTimestep, kPrompt, kNoise});
}

}  // namespace
}  // namespace tessera
