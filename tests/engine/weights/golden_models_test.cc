// Every golden model opens, and its files hold exactly the tensors its config implies.
#include <algorithm>
#include <cmath>
#include <cstring>
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
          folder.tensors().tensor(expected.name, std::span<const int64_t>(expected.shape));
      EXPECT_TRUE(tensor.ok()) << tensor.status();
    }
    EXPECT_THAT(folder.tensors().unused(), ::testing::IsEmpty());
    EXPECT_TRUE(folder.check_all_used().ok());
  }
}

template <class Value>
std::vector<Value> values_of(const SafetensorsFile& golden, const std::string& name) {
  const auto tensor = golden.tensors().find(name);
  EXPECT_NE(tensor, golden.tensors().end()) << name;
  const std::span<const std::byte> bytes = golden.bytes(tensor->second);
  std::vector<Value> values(bytes.size() / sizeof(Value));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

TEST(GoldenModels, PromptsFitTheirModel) {
  for (const std::string& name : model_names()) {
    SCOPED_TRACE(name);
    const int vocab_size = opened(name).config().vocab_size;
    const auto golden = SafetensorsFile::open(kModels + "/" + name + "/golden.safetensors");
    ASSERT_TRUE(golden.ok()) << golden.status();
    for (const std::string prompt : {"prompt_0.", "prompt_1."}) {
      const auto ids = values_of<int32_t>(*golden, prompt + "ids");
      const auto rows = values_of<int32_t>(*golden, prompt + "rows");
      const auto logits = values_of<float>(*golden, prompt + "logits");
      EXPECT_EQ(ids.size(), prompt == "prompt_0." ? 40u : 90u);
      EXPECT_EQ(logits.size(), rows.size() * vocab_size);
      EXPECT_TRUE(std::is_sorted(rows.begin(), rows.end()));
      EXPECT_EQ(static_cast<size_t>(rows.back()), ids.size() - 1);
      const auto finite = [](float logit) { return std::isfinite(logit); };
      EXPECT_TRUE(std::all_of(logits.begin(), logits.end(), finite));
      const auto last = logits.end() - vocab_size;
      EXPECT_EQ(std::max_element(last, logits.end()) - last,
                values_of<int32_t>(*golden, prompt + "greedy").front());
    }
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
  EXPECT_EQ(architectures.size(), 5u);
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
