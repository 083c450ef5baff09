// Every golden model opens, and its files hold exactly the tensors its config implies.
#include <filesystem>
#include <set>

#include "engine/weights/expected_tensors.h"
#include "engine/weights/model_folder.h"

namespace tessera {
namespace {

const std::string kModels = TESSERA_SOURCE_DIR "/tests/golden/models";

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kModels)) {
    if (entry.is_directory()) names.push_back(entry.path().filename());
  }
  return names;
}

ModelFolder opened(const std::string& name) {
  absl::StatusOr<ModelFolder> folder = ModelFolder::open(kModels + "/" + name);
  if (!folder.ok()) ADD_FAILURE() << folder.status();
  return *std::move(folder);
}

TEST(GoldenModels, HoldExactlyTheTensorsTheirConfigImplies) {
  ASSERT_GE(model_names().size(), 15u);
  for (const std::string& name : model_names()) {
    SCOPED_TRACE(name);
    const ModelFolder folder = opened(name);
    for (const ExpectedTensor& expected : expected_tensors(folder.config())) {
      const absl::StatusOr<RawTensor> tensor =
          folder.tensor(expected.name, std::span<const int64_t>(expected.shape));
      EXPECT_TRUE(tensor.ok()) << tensor.status();
    }
    EXPECT_THAT(folder.unused(), ::testing::IsEmpty());
  }
}

TEST(GoldenModels, CoverEveryQuirk) {
  std::set<std::string> architectures;
  std::set<RopeKind> ropes;
  std::set<DType> dtypes;
  std::set<bool> tied, biased;
  for (const std::string& name : model_names()) {
    const ModelConfig config = opened(name).config();
    architectures.insert(config.architecture);
    ropes.insert(config.rope.kind);
    dtypes.insert(config.weight_dtype);
    tied.insert(config.tied_embeddings);
    biased.insert(config.mlp_bias);
  }
  EXPECT_EQ(architectures.size(), 4u);
  EXPECT_EQ(ropes.size(), 4u);
  EXPECT_EQ(dtypes.size(), 3u);
  EXPECT_EQ(tied.size(), 2u);
  EXPECT_EQ(biased.size(), 2u);
  EXPECT_EQ(opened("qwen2_window").config().layer_attention,
            (std::vector<LayerAttention>{{0}, {16}, {16}}));
  EXPECT_EQ(opened("qwen3_layer_types").config().layer_attention,
            (std::vector<LayerAttention>{{21}, {0}, {21}}));
  EXPECT_TRUE(opened("llama_no_head").config().tied_embeddings);
}

}  // namespace
}  // namespace tessera
