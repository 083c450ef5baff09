// The facts of a text model, read from the JSON files of a Hugging Face folder and neutral of its
// architecture: a family is told apart only by the values here. Plain data, made once at load by
// parse_model_config; any thread may read it.
//
// What this cannot serve faithfully is refused with INVALID_ARGUMENT or UNIMPLEMENTED naming file,
// key and value, so a model is never loaded and silently wrong. An absent key takes the default of
// the model's class in transformers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/weights/rope.h"
#include "kernels/core/dtype.h"

namespace tessera {

// The text of the JSON files that describe a model; tensors are not needed to parse a config.
struct ModelFiles {
  std::string config;                           // config.json
  std::optional<std::string> generation;        // generation_config.json
  std::optional<std::string> tokenizer_config;  // tokenizer_config.json
};

// Which keys a query of one layer sees. The query at position p sees key k <= p when
// window_tokens == 0 or k > p - window_tokens (so a window counts the query itself), and, where the
// sink or block fields are set (by a deployment, never by config.json), also k < sink_tokens and
// every block_stride-th block of block_tokens keys.
struct LayerAttention {
  int window_tokens = 0;  // 0 = full causal
  int sink_tokens = 0;
  int block_stride = 0;
  int block_tokens = 0;
  bool operator==(const LayerAttention&) const = default;
};

// Sampling defaults of generation_config.json; absent stays absent.
struct GenerationDefaults {
  std::optional<bool> do_sample;
  std::optional<float> temperature;
  std::optional<float> top_p;
  std::optional<int> top_k;  // 0 = off
  std::optional<float> min_p;
  std::optional<float> repetition_penalty;
  // do_sample false means greedy whatever the other fields say.
  bool greedy() const { return do_sample.has_value() && !*do_sample; }
};

// Layers attend, or are recurrent: then they have no heads and keep a state of `state_width`
// channels for each sequence.
struct ModelConfig {
  std::string architecture;  // as in config.json, for example "LlamaForCausalLM"
  int layers = 0;            // L
  int width = 0;             // D
  int ffn_width = 0;         // F
  int heads = 0;             // H
  int kv_heads = 0;          // Hkv, divides H
  int head_width = 0;        // Dh, even; H * Dh may differ from D
  int state_width = 0;       // C, of recurrent layers
  int vocab_size = 0;        // V, rows of the embedding, including padding no tokenizer names
  float norm_epsilon = 0;
  RopeConfig rope;
  bool attention_bias = false;         // q, k and v
  bool attention_output_bias = false;  // o
  bool mlp_bias = false;               // gate, up and down
  bool qk_norm = false;                // RMS norm over each head of q and k, before rope
  // lm_head is the embedding. From config.json alone; ModelFolder::open corrects it by the files.
  bool tied_embeddings = false;
  int max_positions = 0;  // max_position_embeddings
  // Positions the model is made for: max_positions, or what yarn stretches its pretraining to.
  int context_limit = 0;
  std::vector<LayerAttention> layer_attention;  // [L]
  std::vector<bool> recurrent;                  // [L]
  // As config.json declares (kF32 when it does not); ModelFolder::open takes the embedding's own.
  DType weight_dtype = DType::kF32;
  std::vector<int32_t> end_ids;  // sorted union of config.json and generation_config.json
  std::string end_token;         // eos_token of tokenizer_config.json, to be added to end_ids by id
  std::optional<int32_t> bos_id;
  std::optional<int32_t> pad_id;
  GenerationDefaults generation;
};

// Reads the three files' text. Every value is bounded; see model_config.cc for the bounds.
absl::StatusOr<ModelConfig> parse_model_config(const ModelFiles& files);

// Reads config.json and, where present, the other two of `folder`, following symlinks.
absl::StatusOr<ModelFiles> read_model_files(const std::string& folder);

}  // namespace tessera
