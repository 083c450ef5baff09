#include "engine/weights/expected_tensors.h"

#include "engine/weights/message.h"

namespace tessera {
namespace {

void add_recurrent_layer(const ModelConfig& model, const std::string& layer, TensorList& list) {
  const int64_t width = model.width, state_width = model.state_width;
  list.add(layer + "mixer_norm.weight", {width});
  for (const char* part : {"mixer.input_proj", "mixer.decay_proj", "mixer.gate_proj"}) {
    list.add_linear(layer + part, state_width, width, true);
  }
  list.add_linear(layer + "mixer.output_proj", width, state_width, false);
  list.add(layer + "mlp_norm.weight", {width});
}

void add_attention_layer(const ModelConfig& model, const std::string& layer, TensorList& list) {
  const int64_t width = model.width;
  const int64_t query_width = int64_t{model.heads} * model.head_width;
  const int64_t key_width = int64_t{model.kv_heads} * model.head_width;
  const std::string attention = layer + "self_attn.";
  list.add(layer + "input_layernorm.weight", {width});
  list.add_linear(attention + "q_proj", query_width, width, model.attention_bias);
  list.add_linear(attention + "k_proj", key_width, width, model.attention_bias);
  list.add_linear(attention + "v_proj", key_width, width, model.attention_bias);
  if (model.qk_norm) {
    list.add(attention + "q_norm.weight", {model.head_width});
    list.add(attention + "k_norm.weight", {model.head_width});
  }
  list.add_linear(attention + "o_proj", width, query_width, model.attention_output_bias);
  list.add(layer + "post_attention_layernorm.weight", {width});
}

void add_mlp(const ModelConfig& model, const std::string& mlp, TensorList& list) {
  const int64_t width = model.width, ffn_width = model.ffn_width;
  list.add_linear(mlp + "gate_proj", ffn_width, width, model.mlp_bias);
  list.add_linear(mlp + "up_proj", ffn_width, width, model.mlp_bias);
  list.add_linear(mlp + "down_proj", width, ffn_width, model.mlp_bias);
}

}  // namespace

std::vector<ExpectedTensor> expected_tensors(const ModelConfig& model) {
  TensorList list;
  list.add("model.embed_tokens.weight", {model.vocab_size, model.width});
  for (int layer = 0; layer < model.layers; ++layer) {
    const std::string name = concat("model.layers.", layer, ".");
    if (model.recurrent[layer]) {
      add_recurrent_layer(model, name, list);
    } else {
      add_attention_layer(model, name, list);
    }
    add_mlp(model, name + "mlp.", list);
  }
  list.add("model.norm.weight", {model.width});
  if (!model.tied_embeddings) list.add("lm_head.weight", {model.vocab_size, model.width});
  return list.take();
}

}  // namespace tessera
