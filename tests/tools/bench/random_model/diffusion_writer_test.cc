// Random diffusers folders open as what they are shaped after, with weights that nothing hides
// behind.
#include "tools/bench/random_model/diffusion_writer.h"

#include <cmath>
#include <cstring>

#include "engine/weights/diffusers/diffusers_folder.h"
#include "engine/weights/safetensors.h"
#include "support/temporary_folder.h"

namespace tessera {
namespace {

// The published shape made narrow, so that the test writes kilobytes.
DiffusionShape narrow(const std::string& name) {
  DiffusionShape shape = *find_diffusion_shape(name);
  shape.transformer["attention_head_dim"] = 16;
  shape.transformer["num_attention_heads"] = 2;
  if (shape.transformer.contains("cross_attention_dim")) {
    shape.transformer["cross_attention_dim"] = 32;
    shape.transformer["caption_channels"] = 48;
  }
  return shape;
}

std::vector<float> values_of(const std::string& folder, const std::string& name) {
  const auto file =
      SafetensorsFile::open(folder + "/transformer/diffusion_pytorch_model.safetensors");
  EXPECT_TRUE(file.ok()) << file.status();
  const auto bytes = file->bytes(file->tensors().at(name));
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

double deviation(const std::vector<float>& values) {
  double square = 0;
  for (const float value : values) square += double{value} * value;
  return std::sqrt(square / static_cast<double>(values.size()));
}

TEST(DiffusionWriter, EveryShapeOpensWithAllItsTensors) {
  for (const std::string& name : diffusion_shape_names()) {
    SCOPED_TRACE(name);
    const TemporaryFolder folder;
    const auto bytes = write_random_diffusion(
        narrow(name), {.folder = folder.path(), .layers = 2, .side = 8, .frames = 2});
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    const auto opened = DiffusersFolder::open(folder.path());
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(opened->tensor_bytes(), *bytes);
    EXPECT_EQ(opened->weight_dtype(), DType::kBf16);
    EXPECT_EQ(opened->vae(), nullptr);
    if (const auto* latte = std::get_if<LatteConfig>(&opened->config().transformer)) {
      EXPECT_EQ(latte->layers, 2);
      EXPECT_EQ(latte->sample_size, 8);
      EXPECT_EQ(latte->frames, 2);
    }
  }
}

TEST(DiffusionWriter, MatricesKeepTheSizeOfWhatTheyMultiply) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_random_diffusion(narrow("dit-xl-2-256"),
                                     {.folder = folder.path(), .layers = 1, .dtype = DType::kF32})
                  .ok());
  const std::string block = "transformer_blocks.0.";
  EXPECT_NEAR(deviation(values_of(folder.path(), block + "ff.net.2.weight")), 1 / std::sqrt(128.0),
              0.01);
  EXPECT_NEAR(deviation(values_of(folder.path(), block + "norm1.linear.weight")),
              1 / std::sqrt(32.0), 0.01);
  EXPECT_NEAR(deviation(values_of(folder.path(), block + "norm1.linear.bias")), 0.2, 0.05);
  EXPECT_NEAR(deviation(values_of(folder.path(),
                                  block + "norm1.emb.class_embedder.embedding_table.weight")),
              0.2, 0.01);
}

TEST(DiffusionShapes, AreThePublishedOnes) {
  const DiffusionShape dit = *find_diffusion_shape("dit-xl-2-256");
  EXPECT_EQ(dit.transformer["num_layers"], 28);
  EXPECT_EQ(
      int{dit.transformer["num_attention_heads"]} * int{dit.transformer["attention_head_dim"]},
      1152);
  EXPECT_EQ(find_diffusion_shape("unet").status().message(),
            "shape \"unet\" is not one of dit-xl-2-256, latte-1");
}

}  // namespace
}  // namespace tessera
