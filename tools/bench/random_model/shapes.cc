#include "tools/bench/random_model/shapes.h"

#include <utility>

namespace tessera {
namespace {

using nlohmann::ordered_json;

// What the families publish alike; each shape adds its own on top.
ordered_json common(const char* architecture, const char* model_type) {
  return {{"architectures", {architecture}},
          {"model_type", model_type},
          {"attention_dropout", 0.0},
          {"hidden_act", "silu"},
          {"initializer_range", 0.02},
          {"torch_dtype", "bfloat16"},
          {"use_cache", true}};
}

ordered_json with(ordered_json config, const ordered_json& more) {
  config.update(more);
  return config;
}

ordered_json sizes(int layers, int width, int ffn_width, int heads, int kv_heads, int vocab) {
  return {{"num_hidden_layers", layers},     {"hidden_size", width},
          {"intermediate_size", ffn_width},  {"num_attention_heads", heads},
          {"num_key_value_heads", kv_heads}, {"vocab_size", vocab}};
}

ModelShape qwen2(const char* name, const ordered_json& size, int window_layers, double penalty) {
  const ordered_json rest = {{"bos_token_id", 151643},
                             {"eos_token_id", 151645},
                             {"max_position_embeddings", 32768},
                             {"max_window_layers", window_layers},
                             {"rms_norm_eps", 1e-6},
                             {"rope_theta", 1000000.0},
                             {"sliding_window", 32768},
                             {"tie_word_embeddings", true},
                             {"use_sliding_window", false}};
  const ordered_json generation = {{"bos_token_id", 151643}, {"pad_token_id", 151643},
                                   {"do_sample", true},      {"eos_token_id", {151645, 151643}},
                                   {"temperature", 0.7},     {"repetition_penalty", penalty},
                                   {"top_p", 0.8},           {"top_k", 20}};
  return {name, TokenizerStyle::kQwen2, with(with(common("Qwen2ForCausalLM", "qwen2"), size), rest),
          generation};
}

ModelShape qwen3_1_7b() {
  const ordered_json rest = {{"attention_bias", false},
                             {"bos_token_id", 151643},
                             {"eos_token_id", 151645},
                             {"head_dim", 128},
                             {"max_position_embeddings", 40960},
                             {"max_window_layers", 28},
                             {"rms_norm_eps", 1e-6},
                             {"rope_scaling", nullptr},
                             {"rope_theta", 1000000},
                             {"sliding_window", nullptr},
                             {"tie_word_embeddings", true},
                             {"use_sliding_window", false}};
  const ordered_json generation = {
      {"bos_token_id", 151643}, {"do_sample", true},  {"eos_token_id", {151645, 151643}},
      {"pad_token_id", 151643}, {"temperature", 0.6}, {"top_k", 20},
      {"top_p", 0.95}};
  return {
      "qwen3-1.7b", TokenizerStyle::kQwen3,
      with(with(common("Qwen3ForCausalLM", "qwen3"), sizes(28, 2048, 6144, 16, 8, 151936)), rest),
      generation};
}

ModelShape llama_3_2_3b() {
  const ordered_json rope = {{"factor", 32.0},
                             {"high_freq_factor", 4.0},
                             {"low_freq_factor", 1.0},
                             {"original_max_position_embeddings", 8192},
                             {"rope_type", "llama3"}};
  const ordered_json rest = {{"attention_bias", false},
                             {"bos_token_id", 128000},
                             {"eos_token_id", 128001},
                             {"head_dim", 128},
                             {"max_position_embeddings", 131072},
                             {"mlp_bias", false},
                             {"pretraining_tp", 1},
                             {"rms_norm_eps", 1e-5},
                             {"rope_scaling", rope},
                             {"rope_theta", 500000.0},
                             {"tie_word_embeddings", true}};
  const ordered_json generation = {{"bos_token_id", 128000},
                                   {"do_sample", true},
                                   {"eos_token_id", 128001},
                                   {"temperature", 0.6},
                                   {"top_p", 0.9}};
  return {
      "llama-3.2-3b", TokenizerStyle::kLlama3,
      with(with(common("LlamaForCausalLM", "llama"), sizes(28, 3072, 8192, 24, 8, 128256)), rest),
      generation};
}

ModelShape mistral_7b() {
  const ordered_json rest = {
      {"bos_token_id", 1},           {"eos_token_id", 2},     {"max_position_embeddings", 32768},
      {"rms_norm_eps", 1e-5},        {"rope_theta", 10000.0}, {"sliding_window", 4096},
      {"tie_word_embeddings", false}};
  const ordered_json generation = {{"bos_token_id", 1}, {"eos_token_id", 2}};
  return {"mistral-7b", TokenizerStyle::kSentencePiece,
          with(with(common("MistralForCausalLM", "mistral"), sizes(32, 4096, 14336, 32, 8, 32000)),
               rest),
          generation};
}

// No published checkpoint has this architecture; the sizes are those of a small one.
ModelShape recurrent_0_4b() {
  const ordered_json size = {{"num_hidden_layers", 24},
                             {"hidden_size", 1024},
                             {"intermediate_size", 2816},
                             {"state_size", 2048},
                             {"vocab_size", 32000}};
  const ordered_json rest = {{"bos_token_id", 1},
                             {"eos_token_id", 2},
                             {"max_position_embeddings", 32768},
                             {"rms_norm_eps", 1e-5},
                             {"tie_word_embeddings", true}};
  const ordered_json generation = {{"bos_token_id", 1}, {"eos_token_id", 2}};
  return {"tessera-recurrent-0.4b", TokenizerStyle::kSentencePiece,
          with(with(common("TesseraRecurrentForCausalLM", "tessera_recurrent"), size), rest),
          generation};
}

std::vector<ModelShape> shapes() {
  return {qwen2("qwen2.5-0.5b", sizes(24, 896, 4864, 14, 2, 151936), 21, 1.1),
          qwen2("qwen2.5-3b", sizes(36, 2048, 11008, 16, 2, 151936), 70, 1.05),
          llama_3_2_3b(),
          qwen3_1_7b(),
          mistral_7b(),
          recurrent_0_4b()};
}

}  // namespace

std::vector<std::string> shape_names() {
  std::vector<std::string> names;
  for (const ModelShape& shape : shapes()) names.push_back(shape.name);
  return names;
}

absl::StatusOr<ModelShape> find_shape(const std::string& name) {
  std::string known;
  for (ModelShape& shape : shapes()) {
    if (shape.name == name) return std::move(shape);
    known += (known.empty() ? "" : ", ") + shape.name;
  }
  return absl::InvalidArgumentError("shape \"" + name + "\" is not known; known are " + known);
}

}  // namespace tessera
