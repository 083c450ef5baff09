// Published checkpoints: the files in configs/ hold what each publishes in config.json,
// generation_config.json and (end token only) tokenizer_config.json; the tables say what must come
// of them.
#include <filesystem>
#include <fstream>

#include "engine/weights/model_config.h"
#include "nlohmann/json.hpp"

namespace tessera {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<ModelConfig> parse(const std::string& checkpoint) {
  std::ifstream in(TESSERA_SOURCE_DIR "/tests/engine/weights/configs/" + checkpoint + ".json");
  EXPECT_TRUE(in.good()) << checkpoint;
  const nlohmann::json files = nlohmann::json::parse(in);
  ModelFiles texts;
  texts.config = files.at("config.json").dump();
  if (files.contains("generation_config.json")) {
    texts.generation = files["generation_config.json"].dump();
  }
  if (files.contains("tokenizer_config.json")) {
    texts.tokenizer_config = files["tokenizer_config.json"].dump();
  }
  return parse_model_config(texts);
}

struct Shape {
  const char* checkpoint;
  int layers, width, ffn_width, heads, kv_heads, head_width, vocab_size, max_positions;
};

TEST(Checkpoints, Shapes) {
  const Shape shapes[] = {
      {"llama-2-7b-chat", 32, 4096, 11008, 32, 32, 128, 32000, 4096},
      {"llama-3.1-8b-instruct", 32, 4096, 14336, 32, 8, 128, 128256, 131072},
      {"llama-3.2-1b-instruct", 16, 2048, 8192, 32, 8, 64, 128256, 131072},
      {"llama-3.2-3b", 28, 3072, 8192, 24, 8, 128, 128256, 131072},
      {"tinyllama-1.1b-chat", 22, 2048, 5632, 32, 4, 64, 32000, 2048},
      {"smollm2-135m-instruct", 30, 576, 1536, 9, 3, 64, 49152, 8192},
      {"smollm2-1.7b-instruct", 24, 2048, 8192, 32, 32, 64, 49152, 8192},
      {"mistral-7b-v0.1", 32, 4096, 14336, 32, 8, 128, 32000, 32768},
      {"mistral-7b-instruct-v0.3", 32, 4096, 14336, 32, 8, 128, 32768, 32768},
      {"mistral-nemo-instruct-2407", 40, 5120, 14336, 32, 8, 128, 131072, 131072},
      {"qwen2.5-0.5b-instruct", 24, 896, 4864, 14, 2, 64, 151936, 32768},
      {"qwen2.5-3b-instruct", 36, 2048, 11008, 16, 2, 128, 151936, 32768},
      {"qwen2.5-7b-instruct-yarn", 28, 3584, 18944, 28, 4, 128, 152064, 32768},
      {"qwen3-0.6b", 28, 1024, 3072, 16, 8, 128, 151936, 40960},
      {"qwen3-1.7b", 28, 2048, 6144, 16, 8, 128, 151936, 40960},
      {"qwen3-8b", 36, 4096, 12288, 32, 8, 128, 151936, 40960},
      {"r1-distill-qwen-1.5b", 28, 1536, 8960, 12, 2, 128, 151936, 131072},
      {"r1-distill-llama-8b", 32, 4096, 14336, 32, 8, 128, 128256, 131072},
  };
  for (const Shape& shape : shapes) {
    SCOPED_TRACE(shape.checkpoint);
    const absl::StatusOr<ModelConfig> model = parse(shape.checkpoint);
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ(model->layers, shape.layers);
    EXPECT_EQ(model->width, shape.width);
    EXPECT_EQ(model->ffn_width, shape.ffn_width);
    EXPECT_EQ(model->heads, shape.heads);
    EXPECT_EQ(model->kv_heads, shape.kv_heads);
    EXPECT_EQ(model->head_width, shape.head_width);
    EXPECT_EQ(model->vocab_size, shape.vocab_size);
    EXPECT_EQ(model->max_positions, shape.max_positions);
  }
}

struct Facts {
  const char* checkpoint;
  const char* architecture;
  DType dtype;
  float norm_epsilon;
  RopeKind rope;
  double theta, factor;
  int window_tokens;  // of every layer
  bool attention_bias, qk_norm, tied;
};

TEST(Checkpoints, Arithmetic) {
  const char* llama = "LlamaForCausalLM";
  const char* mistral = "MistralForCausalLM";
  const char* qwen2 = "Qwen2ForCausalLM";
  const char* qwen3 = "Qwen3ForCausalLM";
  constexpr DType kF16 = DType::kF16, kBf16 = DType::kBf16;
  constexpr RopeKind kDefault = RopeKind::kDefault, kLlama3 = RopeKind::kLlama3;
  const Facts table[] = {
      {"llama-2-7b-chat", llama, kF16, 1e-5f, kDefault, 1e4, 1, 0, false, false, false},
      {"llama-3.1-8b-instruct", llama, kBf16, 1e-5f, kLlama3, 5e5, 8, 0, false, false, false},
      {"llama-3.2-1b-instruct", llama, kBf16, 1e-5f, kLlama3, 5e5, 32, 0, false, false, true},
      {"llama-3.2-3b", llama, kBf16, 1e-5f, kLlama3, 5e5, 32, 0, false, false, true},
      {"tinyllama-1.1b-chat", llama, kBf16, 1e-5f, kDefault, 1e4, 1, 0, false, false, false},
      {"smollm2-135m-instruct", llama, kBf16, 1e-5f, kDefault, 1e5, 1, 0, false, false, true},
      {"smollm2-1.7b-instruct", llama, kBf16, 1e-5f, kDefault, 1.3e5, 1, 0, false, false, true},
      {"mistral-7b-v0.1", mistral, kBf16, 1e-5f, kDefault, 1e4, 1, 4096, false, false, false},
      {"mistral-7b-instruct-v0.3", mistral, kBf16, 1e-5f, kDefault, 1e6, 1, 0, false, false, false},
      {"mistral-nemo-instruct-2407", mistral, kBf16, 1e-5f, kDefault, 1e6, 1, 0, false, false,
       false},
      {"qwen2.5-0.5b-instruct", qwen2, kBf16, 1e-6f, kDefault, 1e6, 1, 0, true, false, true},
      {"qwen2.5-3b-instruct", qwen2, kBf16, 1e-6f, kDefault, 1e6, 1, 0, true, false, true},
      {"qwen2.5-7b-instruct-yarn", qwen2, kBf16, 1e-6f, RopeKind::kYarn, 1e6, 4, 0, true, false,
       false},
      {"qwen3-0.6b", qwen3, kBf16, 1e-6f, kDefault, 1e6, 1, 0, false, true, true},
      {"qwen3-1.7b", qwen3, kBf16, 1e-6f, kDefault, 1e6, 1, 0, false, true, true},
      {"qwen3-8b", qwen3, kBf16, 1e-6f, kDefault, 1e6, 1, 0, false, true, false},
      {"r1-distill-qwen-1.5b", qwen2, kBf16, 1e-6f, kDefault, 1e4, 1, 0, true, false, false},
      {"r1-distill-llama-8b", llama, kBf16, 1e-5f, kLlama3, 5e5, 8, 0, false, false, false},
  };
  for (const Facts& facts : table) {
    SCOPED_TRACE(facts.checkpoint);
    const absl::StatusOr<ModelConfig> model = parse(facts.checkpoint);
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ(model->architecture, facts.architecture);
    EXPECT_EQ(model->weight_dtype, facts.dtype);
    EXPECT_EQ(model->norm_epsilon, facts.norm_epsilon);
    EXPECT_EQ(model->rope.kind, facts.rope);
    EXPECT_EQ(model->rope.theta, facts.theta);
    EXPECT_EQ(model->rope.factor, facts.factor);
    const bool original = facts.rope == kLlama3 || facts.rope == RopeKind::kYarn;
    const int positions = facts.rope == kLlama3 ? 8192 : 32768;
    EXPECT_EQ(model->rope.original_positions, original ? positions : 0);
    EXPECT_EQ(model->layer_attention,
              std::vector<LayerAttention>(model->layers, LayerAttention{facts.window_tokens}));
    EXPECT_EQ(model->attention_bias, facts.attention_bias);
    EXPECT_FALSE(model->attention_output_bias);
    EXPECT_FALSE(model->mlp_bias);
    EXPECT_EQ(model->qk_norm, facts.qk_norm);
    EXPECT_EQ(model->tied_embeddings, facts.tied);
  }
}

struct Sampling {
  const char* checkpoint;
  std::vector<int32_t> end_ids;
  const char* end_token;
  std::optional<int32_t> bos_id, pad_id;
  std::optional<bool> do_sample;
  std::optional<float> temperature, top_p;
  std::optional<int> top_k;
  std::optional<float> repetition_penalty;
};

TEST(Checkpoints, TokensAndSampling) {
  const auto none = std::nullopt;
  const char* deepseek_end = "<\uff5cend\u2581of\u2581sentence\uff5c>";
  const std::vector<int32_t> llama3 = {128001, 128008, 128009}, qwen = {151643, 151645};
  const Sampling table[] = {
      {"llama-2-7b-chat", {2}, "</s>", 1, 0, true, 0.6f, 0.9f, none, none},
      {"llama-3.1-8b-instruct", llama3, "<|eot_id|>", 128000, none, true, 0.6f, 0.9f, none, none},
      {"llama-3.2-1b-instruct", llama3, "<|eot_id|>", 128000, none, true, 0.6f, 0.9f, none, none},
      {"llama-3.2-3b", {128001}, "<|end_of_text|>", 128000, none, true, 0.6f, 0.9f, none, none},
      {"tinyllama-1.1b-chat", {2}, "</s>", 1, 0, none, none, none, none, none},
      {"smollm2-135m-instruct", {2}, "<|im_end|>", 1, 2, none, none, none, none, none},
      {"smollm2-1.7b-instruct", {2}, "<|im_end|>", 1, 2, none, none, none, none, none},
      {"mistral-7b-v0.1", {2}, "</s>", 1, none, none, none, none, none, none},
      {"mistral-7b-instruct-v0.3", {2}, "</s>", 1, none, none, none, none, none, none},
      {"mistral-nemo-instruct-2407", {2}, "</s>", 1, none, none, none, none, none, none},
      {"qwen2.5-0.5b-instruct", qwen, "<|im_end|>", 151643, 151643, true, 0.7f, 0.8f, 20, 1.1f},
      {"qwen2.5-3b-instruct", qwen, "<|im_end|>", 151643, 151643, true, 0.7f, 0.8f, 20, 1.05f},
      {"qwen2.5-7b-instruct-yarn", qwen, "<|im_end|>", 151643, 151643, true, 0.7f, 0.8f, 20, 1.05f},
      {"qwen3-0.6b", qwen, "<|im_end|>", 151643, 151643, true, 0.6f, 0.95f, 20, none},
      {"qwen3-1.7b", qwen, "<|im_end|>", 151643, 151643, true, 0.6f, 0.95f, 20, none},
      {"qwen3-8b", qwen, "<|im_end|>", 151643, 151643, true, 0.6f, 0.95f, 20, none},
      {"r1-distill-qwen-1.5b", {151643}, deepseek_end, 151643, none, true, 0.6f, 0.95f, none, none},
      {"r1-distill-llama-8b", {128001}, deepseek_end, 128000, none, true, 0.6f, 0.95f, none, none},
  };
  for (const Sampling& sampling : table) {
    SCOPED_TRACE(sampling.checkpoint);
    const absl::StatusOr<ModelConfig> model = parse(sampling.checkpoint);
    ASSERT_TRUE(model.ok()) << model.status();
    EXPECT_EQ(model->end_ids, sampling.end_ids);
    EXPECT_EQ(model->end_token, sampling.end_token);
    EXPECT_EQ(model->bos_id, sampling.bos_id);
    EXPECT_EQ(model->pad_id, sampling.pad_id);
    EXPECT_EQ(model->generation.do_sample, sampling.do_sample);
    EXPECT_EQ(model->generation.temperature, sampling.temperature);
    EXPECT_EQ(model->generation.top_p, sampling.top_p);
    EXPECT_EQ(model->generation.top_k, sampling.top_k);
    EXPECT_EQ(model->generation.repetition_penalty, sampling.repetition_penalty);
  }
}

struct Refusal {
  const char* checkpoint;
  const char* says;
};

TEST(Checkpoints, RefusedByKeyAndValue) {
  const Refusal table[] = {
      {"qwen2.5-7b-instruct-awq", R"(config.json: quantization_config is of quant_method "awq")"},
      {"llama-2-7b-chat-gptq", R"(config.json: quantization_config is of quant_method "gptq")"},
      {"llama-3.1-8b-instruct-fp8", R"(config.json: quantization_config is of quant_method "fp8")"},
      {"gemma-3-1b-it", R"(config.json: architectures is ["Gemma3ForCausalLM"], supported)"},
      {"phi-3-mini-4k-instruct", R"(config.json: architectures is ["Phi3ForCausalLM"], supported)"},
      {"gpt-oss-20b", R"(config.json: architectures is ["GptOssForCausalLM"], supported)"},
      {"qwen3-30b-a3b", R"(config.json: architectures is ["Qwen3MoeForCausalLM"], supported)"},
      {"qwen2.5-vl-7b-instruct",
       R"(config.json: architectures is ["Qwen2_5_VLForConditionalGeneration"], supported)"},
  };
  for (const Refusal& refusal : table) {
    const absl::StatusOr<ModelConfig> model = parse(refusal.checkpoint);
    ASSERT_FALSE(model.ok()) << refusal.checkpoint;
    EXPECT_EQ(model.status().code(), absl::StatusCode::kUnimplemented);
    EXPECT_THAT(std::string(model.status().message()), HasSubstr(refusal.says));
  }
}

TEST(Checkpoints, EveryFileIsInATable) {
  int files = 0;
  const std::string folder = TESSERA_SOURCE_DIR "/tests/engine/weights/configs";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files += entry.path().extension() == ".json";
  }
  EXPECT_EQ(files, 18 + 8) << "accepted + refused";
}

}  // namespace
}  // namespace tessera
