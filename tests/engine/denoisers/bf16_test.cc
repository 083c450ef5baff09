// The same networks with weights and activations in bf16: as near to diffusers' f32 as eight bits
// of mantissa let them be.
#include "engine/denoisers/diffusion_policy.h"
#include "engine/denoisers/dit.h"
#include "engine/denoisers/latte.h"
#include "engine/denoisers/pixart.h"
#include "engine/denoisers/sd3.h"
#include "support/denoiser_rig.h"

namespace tessera {
namespace {

// Cosine of the angle between the two.
double likeness(const std::vector<float>& got, const std::vector<float>& want) {
  double both = 0, mine = 0, theirs = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    both += double{got[i]} * want[i];
    mine += double{got[i]} * got[i];
    theirs += double{want[i]} * want[i];
  }
  return both / std::sqrt(mine * theirs);
}

template <class Config, class Network>
void check_likeness(const std::string& name) {
  GoldenDenoiser<Config, Network> exact(name), narrow(name, DType::kBf16);
  for (const std::string& at : golden_cases(exact.golden)) {
    DenoiserInputs inputs = exact.inputs(at);
    const double alike =
        likeness(narrow.rig.alone(2, inputs).output, exact.rig.alone(2, inputs).output);
    EXPECT_GT(alike, 0.999) << at;
  }
}

TEST(Bf16, IsNearForDit) { check_likeness<DitConfig, Dit>("dit"); }
TEST(Bf16, IsNearForPixArt) { check_likeness<PixArtConfig, PixArt>("pixart"); }
TEST(Bf16, IsNearForPixArtWithSizes) { check_likeness<PixArtConfig, PixArt>("pixart_sizes"); }
TEST(Bf16, IsNearForLatte) { check_likeness<LatteConfig, Latte>("latte"); }
TEST(Bf16, IsNearForSd3) { check_likeness<Sd3Config, Sd3>("sd3"); }
TEST(Bf16, IsNearForSd3WithDualAttention) { check_likeness<Sd3Config, Sd3>("sd3_dual"); }
TEST(Bf16, IsNearForTheDiffusionPolicy) {
  check_likeness<DiffusionPolicyConfig, DiffusionPolicy>("policy");
}

}  // namespace
}  // namespace tessera
