#include "engine/codecs/autoencoder_kl.h"

#include <cmath>
#include <fstream>
#include <sstream>

#include "engine/device/device.h"
#include "engine/weights/diffusers/component.h"
#include "gtest/gtest.h"
#include "support/golden_tensors.h"

namespace tessera {
namespace {

double deviation(const std::vector<float>& values) {
  double mean = 0, square = 0;
  for (const float value : values) mean += value / static_cast<double>(values.size());
  for (const float value : values) square += (value - mean) * (value - mean);
  return std::sqrt(square / static_cast<double>(values.size()));
}

class Decoder : public ::testing::TestWithParam<const char*> {};

TEST_P(Decoder, PixelsEqualDiffusers) {
  const std::string folder =
      std::string(TESSERA_SOURCE_DIR) + "/tests/golden/diffusion/" + GetParam();
  const GoldenTensors golden(folder + "/golden.safetensors");
  std::ostringstream text;
  text << std::ifstream(folder + "/vae/config.json").rdbuf();
  std::vector<std::string> notes;
  auto config =
      parse_component<AutoencoderKlConfig>("vae", text.str(), read_autoencoder_kl_config, notes);
  ASSERT_TRUE(config.ok()) << config.status();
  auto files = *TensorFiles::open(folder + "/vae", "diffusion_pytorch_model");
  settle_decoder(*config, files);
  // The goldens start behind the scaling.
  config->scaling_factor = 1;
  config->shift_factor = 0;

  const auto device = *Device::get({.backend = "cpu"});
  constexpr int64_t kLatentPixels = 64;
  Region region = *Region::create("decoder", size_t{64} << 20);
  AutoencoderKlDecoder decoder(*config, DType::kF32, region);
  decoder.allocate_scratch(region, kLatentPixels);
  const int64_t scale = decoder.pixels_per_latent();
  const Tensor latents = region.allocate(DType::kF32, {kLatentPixels * config->latent_channels});
  const Tensor pixels = region.allocate(DType::kF32, {3 * kLatentPixels * scale * scale + 16});
  Stream stream(device->ops(), size_t{4} << 20);
  device->lane().attach(stream);
  const absl::Status loaded = decoder.load(files, stream);
  ASSERT_TRUE(loaded.ok()) << loaded;
  int cases = 0;
  for (; golden.has("vae_" + std::to_string(cases) + ".latents"); ++cases) {
    const std::string at = "vae_" + std::to_string(cases) + ".";
    const std::vector<int64_t> shape = golden.shape(at + "latents");
    const std::vector<float> in = golden.get(at + "latents"), want = golden.get(at + "pixels");
    stream.upload(latents.rows(0, static_cast<int64_t>(in.size())), std::span<const float>(in));
    decoder.decode(stream, latents, 0, static_cast<int>(shape[1]), static_cast<int>(shape[2]),
                   pixels, 16);
    std::vector<float> got(want.size());
    stream.download(pixels.rows(16, static_cast<int64_t>(got.size())),
                    std::as_writable_bytes(std::span<float>(got)));
    stream.wait(stream.record());
    double worst = 0;
    for (size_t i = 0; i < got.size(); ++i) {
      worst = std::max<double>(worst, std::abs(got[i] - want[i]));
    }
    EXPECT_LT(worst / deviation(want), 1e-4) << at;
  }
  EXPECT_GT(cases, 0);
  device->lane().detach(stream);
}

INSTANTIATE_TEST_SUITE_P(Golden, Decoder, ::testing::Values("dit", "sd3"));

}  // namespace
}  // namespace tessera
