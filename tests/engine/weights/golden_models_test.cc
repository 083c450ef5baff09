// Every golden model opens, and its files hold exactly the tensors its config implies.
#include <filesystem>
#include <set>

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

void ask(const ModelFolder& folder, const std::string& name, std::vector<int64_t> shape) {
  const absl::StatusOr<RawTensor> tensor = folder.tensor(name, std::span<const int64_t>(shape));
  EXPECT_TRUE(tensor.ok()) << tensor.status();
}

void ask_linear(const ModelFolder& folder, const std::string& name, int64_t out, int64_t in,
                bool bias) {
  ask(folder, name + ".weight", {out, in});
  if (bias) ask(folder, name + ".bias", {out});
}

void ask_layer(const ModelFolder& folder, const std::string& layer) {
  const ModelConfig& c = folder.config();
  const int64_t queries = c.heads * c.head_width, keys = c.kv_heads * c.head_width;
  ask(folder, layer + "input_layernorm.weight", {c.width});
  ask_linear(folder, layer + "self_attn.q_proj", queries, c.width, c.attention_bias);
  ask_linear(folder, layer + "self_attn.k_proj", keys, c.width, c.attention_bias);
  ask_linear(folder, layer + "self_attn.v_proj", keys, c.width, c.attention_bias);
  ask_linear(folder, layer + "self_attn.o_proj", c.width, queries, c.attention_output_bias);
  if (c.qk_norm) {
    ask(folder, layer + "self_attn.q_norm.weight", {c.head_width});
    ask(folder, layer + "self_attn.k_norm.weight", {c.head_width});
  }
  ask(folder, layer + "post_attention_layernorm.weight", {c.width});
  ask_linear(folder, layer + "mlp.gate_proj", c.ffn_width, c.width, c.mlp_bias);
  ask_linear(folder, layer + "mlp.up_proj", c.ffn_width, c.width, c.mlp_bias);
  ask_linear(folder, layer + "mlp.down_proj", c.width, c.ffn_width, c.mlp_bias);
}

TEST(GoldenModels, HoldExactlyTheTensorsTheirConfigImplies) {
  ASSERT_GE(model_names().size(), 15u);
  for (const std::string& name : model_names()) {
    SCOPED_TRACE(name);
    const ModelFolder folder = opened(name);
    const ModelConfig& config = folder.config();
    ask(folder, "model.embed_tokens.weight", {config.vocab_size, config.width});
    for (int layer = 0; layer < config.layers; ++layer) {
      ask_layer(folder, "model.layers." + std::to_string(layer) + ".");
    }
    ask(folder, "model.norm.weight", {config.width});
    if (!config.tied_embeddings) ask(folder, "lm_head.weight", {config.vocab_size, config.width});
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
