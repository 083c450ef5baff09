#include "engine/weights/model_config.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "engine/weights/json_fields.h"
#include "engine/weights/json_text.h"
#include "engine/weights/message.h"
#include "engine/weights/rope_config.h"
#include "engine/weights/text_file.h"

namespace tessera {
namespace {

// Bounds of the dimensions: above every published model by a factor of 4 or more, and small enough
// that a product of two of them fits an int64 many times over.
constexpr int kMaxLayers = 1024;
constexpr int kMaxWidth = 1 << 17;
constexpr int kMaxFfnWidth = 1 << 19;
constexpr int kMaxHeads = 1024;
constexpr int kMaxHeadWidth = 1024;
constexpr int kMaxStateWidth = 1 << 17;
constexpr int kMaxVocab = 1 << 23;
constexpr int kMaxPositions = 1 << 28;
constexpr int kMaxEndIds = 1024;

constexpr uint64_t kMaxConfigBytes = 1 << 20;
constexpr uint64_t kMaxTokenizerConfigBytes = 8 << 20;  // lists every added token

enum class BiasRule { kNever, kAlways, kByKey };

// What a class of transformers fixes or assumes where config.json is silent.
struct Family {
  std::string_view architecture;
  std::string_view model_type;
  int ffn_width;
  int kv_heads;    // 0 = as many as heads
  int head_width;  // 0 = width / heads
  int vocab_size;
  int max_positions;
  BiasRule attention_bias;
  BiasRule output_bias;
  BiasRule mlp_bias;
  bool qk_norm;
  bool window_by_default;          // Mistral: a window unless config.json nulls it
  std::optional<int> special_ids;  // Llama, Mistral: bos 1 and eos 2
  bool recurrent = false;          // no layer attends
};

constexpr std::array<Family, 5> kFamilies = {{
    {"LlamaForCausalLM", "llama", 11008, 0, 0, 32000, 2048, BiasRule::kByKey, BiasRule::kByKey,
     BiasRule::kByKey, false, false, 1},
    {"MistralForCausalLM", "mistral", 14336, 8, 0, 32000, 131072, BiasRule::kNever,
     BiasRule::kNever, BiasRule::kNever, false, true, 1},
    {"Qwen2ForCausalLM", "qwen2", 22016, 32, 0, 151936, 32768, BiasRule::kAlways, BiasRule::kNever,
     BiasRule::kNever, false, false, std::nullopt},
    {"Qwen3ForCausalLM", "qwen3", 22016, 32, 128, 151936, 32768, BiasRule::kByKey, BiasRule::kByKey,
     BiasRule::kNever, true, false, std::nullopt},
    {"TesseraRecurrentForCausalLM", "tessera_recurrent", 11008, 0, 0, 32000, 2048, BiasRule::kNever,
     BiasRule::kNever, BiasRule::kNever, false, false, std::nullopt, true},
}};

const Family* find_family(JsonFields& config) {
  std::string supported;
  for (const Family& family : kFamilies) {
    supported += concat(supported.empty() ? "" : ", ", family.architecture);
  }
  const std::string why = concat("supported architectures are ", supported);
  const nlohmann::json* names = config.find("architectures");
  const bool one = names != nullptr && names->is_array() && names->size() == 1;
  if (!one || !names->front().is_string()) {
    config.refuse("architectures", why);
    return nullptr;
  }
  const std::string& architecture = names->front().get_ref<const std::string&>();
  for (const Family& family : kFamilies) {
    if (family.architecture == architecture) return &family;
  }
  config.refuse("architectures", why);
  return nullptr;
}

void refuse_unsupported(JsonFields& config, const Family& family) {
  if (config.text("model_type", family.model_type) != family.model_type) {
    config.refuse("model_type",
                  concat(family.architecture, " is of model_type ", family.model_type));
  }
  for (const char* key : {"quantization_config", "compression_config"}) {
    if (!config.has(key)) continue;
    const nlohmann::json& quantization = *config.find(key);
    const auto method =
        quantization.is_object() ? quantization.find("quant_method") : quantization.end();
    config.refuse_as(key,
                     method == quantization.end()
                         ? show_for_message(quantization)
                         : concat("of quant_method ", show_for_message(*method)),
                     "quantised weights are not supported");
  }
  for (const char* key : {"vision_config", "audio_config", "text_config"}) {
    if (config.has(key)) config.refuse(key, "only plain text models are supported");
  }
  const std::string activation = config.text("hidden_act", "silu");
  if (activation != "silu" && activation != "swish") {
    config.refuse("hidden_act", "only silu is supported");
  }
  if (config.flag("use_mrope", false)) config.refuse("use_mrope", "only plain rope is supported");
  if (!config.flag("is_causal", true)) config.refuse("is_causal", "only causal models are served");
  if (config.object("auto_map").contains("AutoModelForCausalLM")) {
    config.refuse("auto_map", "models that bring their own code are not supported");
  }
}

bool parse_bias(JsonFields& config, const char* key, BiasRule rule, const Family& family) {
  const bool fixed = rule == BiasRule::kAlways;
  const bool stated = config.flag(key, fixed);
  if (rule != BiasRule::kByKey && stated != fixed) {
    config.refuse(key,
                  concat(family.architecture, fixed ? " always" : " never", " has these biases"));
  }
  return stated;
}

void parse_heads(JsonFields& config, const Family& family, ModelConfig& model) {
  model.heads = config.integer("num_attention_heads", 32, 1, kMaxHeads);
  // An absent key takes the class default; null means one KV head per head in every class.
  const int kv_fallback = config.names("num_key_value_heads") ? 0 : family.kv_heads;
  model.kv_heads = config.integer("num_key_value_heads",
                                  kv_fallback == 0 ? model.heads : kv_fallback, 1, kMaxHeads);
  if (model.heads % model.kv_heads != 0) {
    config.refuse("num_key_value_heads",
                  concat("must divide num_attention_heads, which is ", model.heads),
                  /*unsupported=*/false);
  }
  int head_fallback = config.names("head_dim") ? 0 : family.head_width;
  if (head_fallback == 0 && !config.has("head_dim") && model.width % model.heads != 0) {
    config.refuse("hidden_size",
                  concat("must be a multiple of num_attention_heads, which is ", model.heads,
                         ", where head_dim is not given"),
                  /*unsupported=*/false);
  }
  if (head_fallback == 0) head_fallback = model.width / model.heads;
  model.head_width = config.integer("head_dim", head_fallback, 1, kMaxHeadWidth);
  if (model.head_width % 2 != 0 || model.head_width < 2 || model.head_width > kMaxHeadWidth) {
    config.refuse(config.has("head_dim") ? "head_dim" : "hidden_size",
                  concat("gives heads ", model.head_width,
                         " wide; the width of a head must be even, from 2 to ", kMaxHeadWidth),
                  /*unsupported=*/false);
  }
}

void parse_dimensions(JsonFields& config, const Family& family, ModelConfig& model) {
  model.layers = config.integer("num_hidden_layers", 32, 1, kMaxLayers);
  model.width = config.integer("hidden_size", 4096, 1, kMaxWidth);
  model.ffn_width = config.integer("intermediate_size", family.ffn_width, 1, kMaxFfnWidth);
  if (family.recurrent) {
    model.state_width = config.integer("state_size", model.width, 1, kMaxStateWidth);
  } else {
    parse_heads(config, family, model);
  }
  model.recurrent.assign(model.layers, family.recurrent);
  model.vocab_size = config.integer("vocab_size", family.vocab_size, 1, kMaxVocab);
  model.max_positions =
      config.integer("max_position_embeddings", family.max_positions, 1, kMaxPositions);
}

void parse_layer_types(JsonFields& config, int window, ModelConfig& model) {
  const nlohmann::json& types = *config.find("layer_types");
  if (!types.is_array() || types.size() != static_cast<size_t>(model.layers)) {
    config.refuse("layer_types",
                  concat("must list one type for each of the ", model.layers, " layers"),
                  /*unsupported=*/false);
    return;
  }
  for (int layer = 0; layer < model.layers; ++layer) {
    const nlohmann::json& type = types[layer];
    if (type == "sliding_attention") {
      model.layer_attention[layer].window_tokens = window;
    } else if (type != "full_attention") {
      config.refuse("layer_types", concat("layer ", layer, " is ", show_for_message(type),
                                          "; supported are full_attention and "
                                          "sliding_attention"));
    }
    if (type == "sliding_attention" && window == 0) {
      config.refuse("layer_types",
                    concat("layer ", layer, " is sliding_attention but no window is in use"),
                    /*unsupported=*/false);
    }
  }
}

// Mistral has one window for all layers; Qwen's counts only with use_sliding_window, and then from
// layer max_window_layers on or where layer_types says so; Llama has none.
void parse_attention(JsonFields& config, const Family& family, ModelConfig& model) {
  model.layer_attention.assign(model.layers, LayerAttention());
  if (family.recurrent) return;
  const bool qwen = family.model_type.substr(0, 4) == "qwen";
  const bool null_window = config.names("sliding_window") && !config.has("sliding_window");
  const bool in_use = qwen ? config.flag("use_sliding_window", false) : family.window_by_default;
  int window = 0;
  if (in_use && !null_window) window = config.integer("sliding_window", 4096, 1, kMaxPositions);

  if (config.has("layer_types")) {
    parse_layer_types(config, window, model);
    const auto differs = [&](const LayerAttention& layer) { return layer.window_tokens != window; };
    const std::vector<LayerAttention>& all = model.layer_attention;
    if (!qwen && std::any_of(all.begin(), all.end(), differs)) {
      config.refuse("layer_types", concat("every layer of ", family.architecture,
                                          " has the same window of ", window, " tokens"));
    }
    return;
  }
  const int first = qwen ? config.integer("max_window_layers", 28, 0, 1 << 20) : 0;
  for (int layer = first; layer < model.layers; ++layer) {
    model.layer_attention[layer].window_tokens = window;
  }
}

void parse_dtype(JsonFields& config, ModelConfig& model) {
  const char* key = config.has("dtype") ? "dtype" : "torch_dtype";
  std::string dtype = config.text(key, "float32");
  if (dtype.starts_with("torch.")) dtype.erase(0, 6);
  if (dtype == "bfloat16") {
    model.weight_dtype = DType::kBf16;
  } else if (dtype == "float16") {
    model.weight_dtype = DType::kF16;
  } else if (dtype != "float32" && dtype != "auto") {
    config.refuse(key, "supported are float32, float16 and bfloat16");
  }
}

// One id or a list of ids, each inside the vocabulary.
void add_end_ids(JsonFields& fields, ModelConfig& model) {
  const nlohmann::json* ids = fields.find("eos_token_id");
  if (ids == nullptr) return;
  const std::string why = concat("must be one or a list of up to ", kMaxEndIds,
                                 " integers from 0 to ", model.vocab_size - 1);
  const nlohmann::json list = ids->is_array() ? *ids : nlohmann::json::array({*ids});
  if (list.size() > kMaxEndIds) return fields.refuse("eos_token_id", why, /*unsupported=*/false);
  for (const nlohmann::json& id : list) {
    const bool fits =
        id.is_number_unsigned() && id.get<uint64_t>() < static_cast<uint64_t>(model.vocab_size);
    if (!fits) return fields.refuse("eos_token_id", why, /*unsupported=*/false);
    model.end_ids.push_back(id.get<int32_t>());
  }
}

// Some files write -1 for "none".
std::optional<int32_t> parse_special_id(JsonFields& fields, const char* key, int vocab_size) {
  const std::optional<int> id = fields.optional_integer(key, -1, vocab_size - 1);
  return id == -1 ? std::nullopt : id;
}

void parse_special_ids(JsonFields& config, JsonFields& generation, const Family& family,
                       ModelConfig& model) {
  add_end_ids(config, model);
  add_end_ids(generation, model);
  const bool silent = !config.names("eos_token_id") && !generation.names("eos_token_id");
  if (silent && family.special_ids.has_value() && model.vocab_size > 2) model.end_ids = {2};
  std::sort(model.end_ids.begin(), model.end_ids.end());
  model.end_ids.erase(std::unique(model.end_ids.begin(), model.end_ids.end()), model.end_ids.end());

  model.bos_id = parse_special_id(config, "bos_token_id", model.vocab_size);
  if (!config.names("bos_token_id")) {
    model.bos_id = parse_special_id(generation, "bos_token_id", model.vocab_size);
    if (!generation.names("bos_token_id") && model.vocab_size > 2) {
      model.bos_id = family.special_ids;
    }
  }
  model.pad_id = parse_special_id(config, "pad_token_id", model.vocab_size);
  if (!model.pad_id.has_value()) {
    model.pad_id = parse_special_id(generation, "pad_token_id", model.vocab_size);
  }
}

void parse_generation(JsonFields& fields, GenerationDefaults& defaults) {
  defaults.do_sample = fields.optional_flag("do_sample");
  defaults.temperature = fields.optional_number("temperature", 0, 100);
  defaults.top_p = fields.optional_number("top_p", 0, 1);
  defaults.top_k = fields.optional_integer("top_k", -1, kMaxVocab);
  if (defaults.top_k == -1) defaults.top_k = 0;
  defaults.min_p = fields.optional_number("min_p", 0, 1);
  defaults.repetition_penalty = fields.optional_number("repetition_penalty", 1e-3, 100);
}

// eos_token is a string or an object with its text under "content".
std::string parse_end_token(JsonFields& tokenizer, absl::Status& error) {
  const nlohmann::json* token = tokenizer.find("eos_token");
  if (token == nullptr || token->is_string()) return tokenizer.text("eos_token", "");
  JsonFields added(concat(tokenizer.place(), ": eos_token"), tokenizer.object("eos_token"), error);
  return added.text("content", "");
}

// Files with yarn state the pretraining's length in max_position_embeddings, files with llama3 the
// stretched one.
int context_limit_of(const ModelConfig& model) {
  if (model.rope.kind != RopeKind::kYarn) return model.max_positions;
  const double stretched = model.rope.factor * model.rope.original_positions;
  return std::max(model.max_positions,
                  static_cast<int>(std::min<double>(stretched, kMaxPositions)));
}

absl::StatusOr<nlohmann::json> parse_optional(std::string_view file,
                                              const std::optional<std::string>& text) {
  if (!text.has_value()) return nlohmann::json::object();
  return parse_json_object(file, *text);
}

}  // namespace

absl::StatusOr<ModelConfig> parse_model_config(const ModelFiles& files) {
  const absl::StatusOr<nlohmann::json> config_json = parse_json_object("config.json", files.config);
  if (!config_json.ok()) return config_json.status();
  const absl::StatusOr<nlohmann::json> generation_json =
      parse_optional("generation_config.json", files.generation);
  if (!generation_json.ok()) return generation_json.status();
  const absl::StatusOr<nlohmann::json> tokenizer_json =
      parse_optional("tokenizer_config.json", files.tokenizer_config);
  if (!tokenizer_json.ok()) return tokenizer_json.status();

  absl::Status error;
  JsonFields config("config.json", *config_json, error);
  JsonFields generation("generation_config.json", *generation_json, error);
  JsonFields tokenizer("tokenizer_config.json", *tokenizer_json, error);
  const Family* family = find_family(config);
  if (family == nullptr) return error;
  refuse_unsupported(config, *family);

  ModelConfig model;
  model.architecture = family->architecture;
  parse_dimensions(config, *family, model);
  if (!error.ok()) return error;
  model.norm_epsilon = static_cast<float>(config.number("rms_norm_eps", 1e-6, 1e-12, 1.0));
  if (!family->recurrent) model.rope = parse_rope_config(config, model.max_positions, error);
  model.context_limit = context_limit_of(model);
  model.attention_bias = parse_bias(config, "attention_bias", family->attention_bias, *family);
  model.attention_output_bias = family->output_bias == BiasRule::kByKey && model.attention_bias;
  model.mlp_bias = parse_bias(config, "mlp_bias", family->mlp_bias, *family);
  model.qk_norm = family->qk_norm;
  model.tied_embeddings = config.flag("tie_word_embeddings", false);
  parse_attention(config, *family, model);
  parse_dtype(config, model);
  parse_special_ids(config, generation, *family, model);
  parse_generation(generation, model.generation);
  model.end_token = parse_end_token(tokenizer, error);
  if (!error.ok()) return error;
  return model;
}

absl::StatusOr<ModelFiles> read_model_files(const std::string& folder) {
  ModelFiles files;
  absl::StatusOr<std::string> config = read_text_file(folder + "/config.json", kMaxConfigBytes);
  if (!config.ok()) return config.status();
  files.config = *std::move(config);
  absl::StatusOr<std::optional<std::string>> generation =
      read_optional_text_file(folder + "/generation_config.json", kMaxConfigBytes);
  if (!generation.ok()) return generation.status();
  files.generation = *std::move(generation);
  absl::StatusOr<std::optional<std::string>> tokenizer =
      read_optional_text_file(folder + "/tokenizer_config.json", kMaxTokenizerConfigBytes);
  if (!tokenizer.ok()) return tokenizer.status();
  files.tokenizer_config = *std::move(tokenizer);
  return files;
}

}  // namespace tessera
