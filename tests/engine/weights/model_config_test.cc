// What each key of config.json means, and what is refused. Published checkpoints: see
// checkpoints_test.cc.
#include "engine/weights/model_config.h"

#include "nlohmann/json.hpp"

namespace tessera {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

json small(const std::string& architecture) {
  return {{"architectures", {architecture}},
          {"hidden_size", 64},
          {"intermediate_size", 96},
          {"num_hidden_layers", 4},
          {"num_attention_heads", 4},
          {"num_key_value_heads", 2},
          {"vocab_size", 256},
          {"max_position_embeddings", 512}};
}

json small_with(const std::string& architecture, const json& changes) {
  json config = small(architecture);
  config.update(changes);
  return config;
}

ModelConfig parsed(const json& config, const json& generation = nullptr) {
  ModelFiles files;
  files.config = config.dump();
  if (!generation.is_null()) files.generation = generation.dump();
  absl::StatusOr<ModelConfig> model = parse_model_config(files);
  EXPECT_TRUE(model.ok()) << model.status() << "\n" << files.config;
  return model.value_or(ModelConfig());
}

std::string refusal(const json& config, const json& generation = nullptr) {
  ModelFiles files;
  files.config = config.dump();
  if (!generation.is_null()) files.generation = generation.dump();
  const absl::StatusOr<ModelConfig> model = parse_model_config(files);
  EXPECT_FALSE(model.ok()) << files.config;
  return std::string(model.status().message());
}

std::vector<int> windows(const ModelConfig& model) {
  std::vector<int> windows;
  for (const LayerAttention& layer : model.layer_attention) windows.push_back(layer.window_tokens);
  return windows;
}

constexpr const char* kAll[] = {"LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM",
                                "Qwen3ForCausalLM"};

TEST(ModelConfig, AbsentKeysTakeTheDefaultsOfTheClass) {
  const ModelConfig llama = parsed({{"architectures", {"LlamaForCausalLM"}}});
  EXPECT_EQ(llama.ffn_width, 11008);
  EXPECT_EQ(llama.kv_heads, 32);
  EXPECT_EQ(llama.head_width, 128);
  EXPECT_EQ(llama.max_positions, 2048);
  EXPECT_EQ(llama.bos_id, 1);
  EXPECT_THAT(llama.end_ids, ElementsAre(2));
  const ModelConfig mistral = parsed({{"architectures", {"MistralForCausalLM"}}});
  EXPECT_EQ(mistral.ffn_width, 14336);
  EXPECT_EQ(mistral.kv_heads, 8);
  EXPECT_EQ(mistral.max_positions, 131072);
  EXPECT_EQ(windows(mistral), std::vector<int>(32, 4096));
  const ModelConfig qwen2 = parsed({{"architectures", {"Qwen2ForCausalLM"}}});
  EXPECT_EQ(qwen2.vocab_size, 151936);
  EXPECT_EQ(qwen2.kv_heads, 32);
  EXPECT_TRUE(qwen2.attention_bias);
  EXPECT_FALSE(qwen2.attention_output_bias);
  EXPECT_TRUE(qwen2.end_ids.empty());
  EXPECT_EQ(qwen2.bos_id, std::nullopt);
  const ModelConfig qwen3 =
      parsed({{"architectures", {"Qwen3ForCausalLM"}}, {"hidden_size", 1024}});
  EXPECT_EQ(qwen3.head_width, 128);
  EXPECT_TRUE(qwen3.qk_norm);
  EXPECT_FALSE(qwen3.attention_bias);
  for (const char* architecture : kAll) {
    const ModelConfig model = parsed({{"architectures", {architecture}}});
    EXPECT_FALSE(model.tied_embeddings);
    EXPECT_FLOAT_EQ(model.norm_epsilon, 1e-6f);
    EXPECT_EQ(model.rope.kind, RopeKind::kDefault);
    EXPECT_EQ(model.rope.theta, 10000.0);
  }
}

TEST(ModelConfig, NullCountsAsAbsentWhereTheClassSaysSo) {
  for (const char* architecture : kAll) {
    const ModelConfig model = parsed(small_with(architecture, {{"head_dim", nullptr},
                                                               {"num_key_value_heads", nullptr},
                                                               {"rope_scaling", nullptr},
                                                               {"sliding_window", nullptr}}));
    EXPECT_EQ(model.head_width, 16);
    EXPECT_EQ(model.kv_heads, 4);
    EXPECT_EQ(windows(model), std::vector<int>(4, 0));
  }
}

TEST(ModelConfig, BothDialectsOfRopeMeanTheSame) {
  for (const char* architecture : kAll) {
    const json old_type = small_with(
        architecture, {{"rope_theta", 5e5}, {"rope_scaling", {{"type", "linear"}, {"factor", 2}}}});
    const json old_rope_type = small_with(
        architecture,
        {{"rope_theta", 5e5}, {"rope_scaling", {{"rope_type", "linear"}, {"factor", 2.0}}}});
    const json renewed = small_with(
        architecture,
        {{"rope_parameters", {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 5e5}}}});
    for (const json& config : {old_type, old_rope_type, renewed}) {
      const RopeConfig rope = parsed(config).rope;
      EXPECT_EQ(rope.kind, RopeKind::kLinear);
      EXPECT_EQ(rope.factor, 2.0);
      EXPECT_EQ(rope.theta, 5e5);
    }
  }
}

TEST(ModelConfig, RopeParametersThatScaleLlama3AndYarn) {
  const RopeConfig llama3 =
      parsed(small_with("LlamaForCausalLM", {{"rope_scaling",
                                              {{"rope_type", "llama3"},
                                               {"factor", 8.0},
                                               {"low_freq_factor", 1.0},
                                               {"high_freq_factor", 4.0},
                                               {"original_max_position_embeddings", 128}}}}))
          .rope;
  EXPECT_EQ(llama3.kind, RopeKind::kLlama3);
  EXPECT_EQ(llama3.original_positions, 128);
  EXPECT_EQ(llama3.high_freq_factor, 4.0);
  const json yarn = {{"type", "yarn"}, {"factor", 4.0},           {"beta_fast", 16},
                     {"mscale", 0.5},  {"attention_factor", 1.5}, {"truncate", false}};
  const RopeConfig plain = parsed(small_with("Qwen2ForCausalLM", {{"rope_scaling", yarn}})).rope;
  EXPECT_EQ(plain.kind, RopeKind::kYarn);
  EXPECT_EQ(plain.original_positions, 512) << "absent: max_position_embeddings";
  EXPECT_EQ(plain.beta_fast, 16);
  EXPECT_EQ(plain.beta_slow, 1);
  EXPECT_EQ(plain.mscale, 0.5);
  EXPECT_EQ(plain.attention_factor, 1.5);
  EXPECT_FALSE(plain.truncate);
  const RopeConfig above =
      parsed(small_with("Qwen2ForCausalLM",
                        {{"rope_scaling", yarn}, {"original_max_position_embeddings", 64}}))
          .rope;
  EXPECT_EQ(above.original_positions, 64);
  const RopeConfig ratio =
      parsed(small_with("Qwen2ForCausalLM", {{"rope_scaling",
                                              {{"type", "yarn"},
                                               {"factor", nullptr},
                                               {"original_max_position_embeddings", 128}}}}))
          .rope;
  EXPECT_EQ(ratio.factor, 4.0);
}

TEST(ModelConfig, YarnStretchesTheContextBeyondMaxPositions) {
  const auto limit = [](const json& rope) {
    return parsed(small_with("Qwen2ForCausalLM", {{"rope_scaling", rope}})).context_limit;
  };
  EXPECT_EQ(limit(nullptr), 512);
  EXPECT_EQ(limit({{"type", "linear"}, {"factor", 2.0}}), 512);
  EXPECT_EQ(limit({{"type", "yarn"}, {"factor", 4.0}}), 2048);
  EXPECT_EQ(limit({{"type", "yarn"}, {"factor", 2.0}, {"original_max_position_embeddings", 64}}),
            512);
  EXPECT_EQ(limit({{"type", "yarn"}, {"factor", 1e6}}), 1 << 28);
}

TEST(ModelConfig, QwenWindowsOnlyWhenUsedAndFromItsFirstLayer) {
  for (const char* architecture : {"Qwen2ForCausalLM", "Qwen3ForCausalLM"}) {
    json config = small_with(architecture, {{"sliding_window", 32}, {"max_window_layers", 3}});
    EXPECT_THAT(windows(parsed(config)), ElementsAre(0, 0, 0, 0));
    config["use_sliding_window"] = true;
    EXPECT_THAT(windows(parsed(config)), ElementsAre(0, 0, 0, 32));
    config["layer_types"] = {"sliding_attention", "full_attention", "sliding_attention",
                             "full_attention"};
    EXPECT_THAT(windows(parsed(config)), ElementsAre(32, 0, 32, 0));
    config["use_sliding_window"] = false;
    EXPECT_THAT(refusal(config), HasSubstr("layer 0 is sliding_attention but no window"));
  }
}

TEST(ModelConfig, MistralHasOneWindowAndLlamaNone) {
  EXPECT_THAT(windows(parsed(small_with("MistralForCausalLM", {{"sliding_window", 48}}))),
              ElementsAre(48, 48, 48, 48));
  EXPECT_THAT(windows(parsed(small_with("LlamaForCausalLM", {{"sliding_window", 48}}))),
              ElementsAre(0, 0, 0, 0));
  const json mixed = {"full_attention", "sliding_attention", "full_attention", "full_attention"};
  EXPECT_THAT(
      refusal(small_with("MistralForCausalLM", {{"sliding_window", 48}, {"layer_types", mixed}})),
      HasSubstr("layer_types"));
  EXPECT_THAT(refusal(small_with("LlamaForCausalLM", {{"layer_types", mixed}})),
              HasSubstr("layer_types"));
}

TEST(ModelConfig, BiasesFollowTheClass) {
  const ModelConfig llama =
      parsed(small_with("LlamaForCausalLM", {{"attention_bias", true}, {"mlp_bias", true}}));
  EXPECT_TRUE(llama.attention_bias && llama.attention_output_bias && llama.mlp_bias);
  const ModelConfig qwen3 = parsed(small_with("Qwen3ForCausalLM", {{"attention_bias", true}}));
  EXPECT_TRUE(qwen3.attention_bias && qwen3.attention_output_bias);
  EXPECT_THAT(refusal(small_with("MistralForCausalLM", {{"attention_bias", true}})),
              HasSubstr("attention_bias is true, MistralForCausalLM never has these biases"));
  EXPECT_THAT(refusal(small_with("Qwen2ForCausalLM", {{"attention_bias", false}})),
              HasSubstr("attention_bias is false, Qwen2ForCausalLM always has"));
  EXPECT_THAT(refusal(small_with("Qwen3ForCausalLM", {{"mlp_bias", true}})), HasSubstr("mlp_bias"));
}

TEST(ModelConfig, EndTokensAreTheUnion) {
  const json llama = small_with("LlamaForCausalLM", {{"eos_token_id", 9}});
  EXPECT_THAT(parsed(llama, {{"eos_token_id", {7, 9, 3}}}).end_ids, ElementsAre(3, 7, 9));
  EXPECT_THAT(parsed(small("LlamaForCausalLM"), {{"eos_token_id", 5}}).end_ids, ElementsAre(5));
  EXPECT_THAT(parsed(small("LlamaForCausalLM")).end_ids, ElementsAre(2));
  EXPECT_TRUE(parsed(small_with("LlamaForCausalLM", {{"eos_token_id", nullptr}})).end_ids.empty());
  EXPECT_THAT(refusal(small_with("LlamaForCausalLM", {{"eos_token_id", 256}})),
              HasSubstr("eos_token_id is 256, must be one or a list of up to 1024 integers from 0 "
                        "to 255"));
  EXPECT_THAT(refusal(llama, {{"eos_token_id", {1, -1}}}),
              HasSubstr("generation_config.json: eos_token_id"));
}

TEST(ModelConfig, EndTokenOfTheTokenizerIsHandedOnAsText) {
  ModelFiles files;
  files.config = small("LlamaForCausalLM").dump();
  files.tokenizer_config = R"({"eos_token": "<|im_end|>"})";
  EXPECT_EQ(parse_model_config(files)->end_token, "<|im_end|>");
  files.tokenizer_config = R"({"eos_token": {"content": "</s>", "lstrip": false}})";
  EXPECT_EQ(parse_model_config(files)->end_token, "</s>");
  files.tokenizer_config = R"({"eos_token": null})";
  EXPECT_EQ(parse_model_config(files)->end_token, "");
  files.tokenizer_config = R"({"eos_token": 3})";
  EXPECT_THAT(std::string(parse_model_config(files).status().message()),
              HasSubstr("tokenizer_config.json: eos_token is 3, must be an object"));
}

TEST(ModelConfig, GenerationDefaultsStayAbsentUnlessStated) {
  const json llama = small("LlamaForCausalLM");
  const GenerationDefaults none = parsed(llama, json::object()).generation;
  EXPECT_EQ(none.temperature, std::nullopt);
  EXPECT_FALSE(none.greedy());
  const GenerationDefaults some = parsed(llama, {{"do_sample", true},
                                                 {"temperature", 0.6},
                                                 {"top_p", 0.9},
                                                 {"top_k", -1},
                                                 {"min_p", 0.05},
                                                 {"repetition_penalty", 1.1}})
                                      .generation;
  EXPECT_FLOAT_EQ(*some.temperature, 0.6f);
  EXPECT_FLOAT_EQ(*some.top_p, 0.9f);
  EXPECT_EQ(some.top_k, 0);
  EXPECT_FLOAT_EQ(*some.min_p, 0.05f);
  EXPECT_FLOAT_EQ(*some.repetition_penalty, 1.1f);
  EXPECT_TRUE(parsed(llama, {{"do_sample", false}, {"temperature", 0.6}}).generation.greedy());
  EXPECT_THAT(refusal(llama, {{"top_p", 1.5}}),
              HasSubstr("generation_config.json: top_p is 1.5, must be a number from 0 to 1"));
}

struct Refused {
  json changes;
  const char* says;
};

TEST(ModelConfig, RefusalsNameKeyAndValue) {
  const Refused cases[] = {
      {{{"architectures", {"GPT2LMHeadModel"}}},
       "config.json: architectures is [\"GPT2LMHeadModel\"], supported architectures are "
       "LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM"},
      {{{"architectures", json::array()}}, "architectures is []"},
      {{{"architectures", "LlamaForCausalLM"}}, "architectures is \"LlamaForCausalLM\""},
      {{{"model_type", "granite"}}, "model_type is \"granite\""},
      {{{"quantization_config", {{"quant_method", "awq"}}}},
       "quantization_config is of quant_method \"awq\", quantised"},
      {{{"vision_config", json::object()}}, "vision_config"},
      {{{"hidden_act", "gelu"}}, "hidden_act is \"gelu\", only silu"},
      {{{"partial_rotary_factor", 0.5}}, "config.json: partial_rotary_factor is 0.5"},
      {{{"rope_parameters", {{"partial_rotary_factor", 0.25}}}},
       "config.json: rope_parameters: partial_rotary_factor is 0.25"},
      {{{"rope_scaling", {{"type", "dynamic"}, {"factor", 2.0}}}},
       "config.json: rope_scaling: type is \"dynamic\", supported are default, linear, llama3 and "
       "yarn"},
      {{{"rope_scaling", {{"rope_type", "longrope"}}}}, "rope_type is \"longrope\""},
      {{{"rope_scaling", {{"rope_type", "linear"}}}}, "factor is missing"},
      {{{"rope_scaling", {{"type", "linear"}, {"factor", 0.5}}}}, "factor is 0.5"},
      {{{"rope_scaling", {{"type", "linear"}, {"factor", "2"}}}}, "factor is \"2\""},
      {{{"rope_scaling", {{"type", "llama3"}, {"factor", 2.0}}}}, "low_freq_factor is missing"},
      {{{"rope_scaling", 4}}, "rope_scaling is 4, must be an object"},
      {{{"rope_scaling", {{"mrope_section", {1, 2}}}}}, "mrope_section"},
      {{{"rope_parameters", {{"full_attention", json::object()}}}}, "full_attention"},
      {{{"rope_theta", 0}}, "rope_theta is 0"},
      {{{"rope_theta", -1e4}}, "rope_theta"},
      {{{"is_causal", false}}, "is_causal"},
      {{{"use_mrope", true}}, "use_mrope"},
      {{{"auto_map", {{"AutoModelForCausalLM", "m.M"}}}}, "auto_map"},
      {{{"num_hidden_layers", 0}}, "num_hidden_layers is 0, must be an integer from 1 to 1024"},
      {{{"num_hidden_layers", 1000000000}}, "num_hidden_layers"},
      {{{"num_hidden_layers", 2.5}}, "num_hidden_layers is 2.5"},
      {{{"num_hidden_layers", 18446744073709551615u}}, "num_hidden_layers"},
      {{{"num_hidden_layers", true}}, "num_hidden_layers is true"},
      {{{"hidden_size", -64}}, "hidden_size is -64"},
      {{{"hidden_size", 66}}, "hidden_size is 66, must be a multiple of num_attention_heads"},
      {{{"hidden_size", 2}, {"num_attention_heads", 2}, {"num_key_value_heads", 1}},
       "hidden_size is 2, gives heads 1 wide"},
      {{{"head_dim", 15}}, "head_dim is 15"},
      {{{"head_dim", 2048}}, "head_dim is 2048"},
      {{{"num_key_value_heads", 3}}, "num_key_value_heads is 3, must divide"},
      {{{"num_key_value_heads", 8}}, "num_key_value_heads is 8, must divide"},
      {{{"vocab_size", 0}}, "vocab_size is 0"},
      {{{"max_position_embeddings", 0}}, "max_position_embeddings is 0"},
      {{{"rms_norm_eps", 0}}, "rms_norm_eps is 0"},
      {{{"rms_norm_eps", "1e-5"}}, "rms_norm_eps"},
      {{{"tie_word_embeddings", "yes"}}, "tie_word_embeddings is \"yes\", must be true or false"},
      {{{"torch_dtype", "float8_e4m3fn"}}, "torch_dtype is \"float8_e4m3fn\""},
      {{{"dtype", "int8"}}, "dtype is \"int8\""},
      {{{"bos_token_id", 999}}, "bos_token_id is 999"},
  };
  for (const Refused& refused : cases) {
    EXPECT_THAT(refusal(small_with("LlamaForCausalLM", refused.changes)), HasSubstr(refused.says));
  }
}

TEST(ModelConfig, MistralWindowsAreBounded) {
  EXPECT_THAT(refusal(small_with("MistralForCausalLM", {{"sliding_window", 0}})),
              HasSubstr("sliding_window is 0"));
  EXPECT_THAT(refusal(small_with("Qwen2ForCausalLM", {{"layer_types", {"full_attention"}}})),
              HasSubstr("each of the 4 layers"));
  json types = json::array({"full_attention", "full_attention", "full_attention", "linear"});
  EXPECT_THAT(refusal(small_with("Qwen2ForCausalLM", {{"layer_types", types}})),
              HasSubstr("layer 3 is \"linear\""));
}

TEST(ModelConfig, DtypeIsReadInBothDialects) {
  EXPECT_EQ(parsed(small("LlamaForCausalLM")).weight_dtype, DType::kF32);
  EXPECT_EQ(parsed(small_with("LlamaForCausalLM", {{"torch_dtype", "bfloat16"}})).weight_dtype,
            DType::kBf16);
  EXPECT_EQ(parsed(small_with("LlamaForCausalLM", {{"dtype", "float16"}})).weight_dtype,
            DType::kF16);
}

TEST(ModelConfig, RecurrentModelsHaveAStateAndNoHeads) {
  const std::string name = "TesseraRecurrentForCausalLM";
  const ModelConfig model = parsed(small_with(name, {{"state_size", 80}}));
  EXPECT_EQ(model.state_width, 80);
  EXPECT_EQ(model.heads + model.kv_heads + model.head_width, 0);
  EXPECT_EQ(model.recurrent, std::vector<bool>(4, true));
  EXPECT_EQ(model.context_limit, 512);
  EXPECT_EQ(parsed(small(name)).state_width, 64);
  EXPECT_EQ(parsed(small("LlamaForCausalLM")).state_width, 0);
  EXPECT_EQ(parsed(small("LlamaForCausalLM")).recurrent, std::vector<bool>(4, false));
  EXPECT_THAT(refusal(small_with(name, {{"state_size", 0}})), HasSubstr("state_size is 0"));
  EXPECT_THAT(refusal(small_with(name, {{"state_size", 1 << 20}})), HasSubstr("state_size"));
  EXPECT_THAT(refusal(small_with(name, {{"model_type", "llama"}})), HasSubstr("tessera_recurrent"));
}

TEST(ModelConfig, HostileJsonIsOneClearError) {
  ModelFiles files;
  for (const std::string& text :
       {std::string(), std::string("null"), std::string("[]"), std::string("{\"a\":"),
        std::string("{\"a\": NaN}"), std::string("\xff\xfe")}) {
    files.config = text;
    EXPECT_THAT(std::string(parse_model_config(files).status().message()),
                HasSubstr("config.json: not "));
  }
  files.config = R"({"a":)";
  files.config.append(1000000, '[');
  EXPECT_THAT(std::string(parse_model_config(files).status().message()),
              HasSubstr("nested deeper than 64"));
  files.config = small("LlamaForCausalLM").dump();
  files.generation = "[1]";
  EXPECT_THAT(std::string(parse_model_config(files).status().message()),
              HasSubstr("generation_config.json: not a JSON object"));
}

}  // namespace
}  // namespace tessera
