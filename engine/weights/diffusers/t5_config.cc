#include "engine/weights/diffusers/t5_config.h"

#include "engine/weights/diffusers/component.h"

namespace tessera {
namespace {

constexpr int kMaxFfnWidth = 1 << 19;
constexpr int kMaxVocab = 1 << 23;
constexpr int kMaxBuckets = 1 << 10;
constexpr int kMaxDistance = 1 << 20;

constexpr const char* kEmbedding = "shared.weight";
constexpr const char* kSameEmbedding = "encoder.embed_tokens.weight";

}  // namespace

T5Config read_t5_config(JsonFields& fields) {
  require_value(fields, "model_type", "t5");
  // "gated-gelu" means the tanh kind of GELU, whatever dense_act_fn says.
  if (fields.text("feed_forward_proj", "relu") != "gated-gelu") {
    fields.refuse("feed_forward_proj", "only gated-gelu (T5 1.1) is supported");
  }
  T5Config config;
  config.layers = fields.integer("num_layers", 6, 1, kMaxBlocks);
  config.width = fields.integer("d_model", 512, 1, kMaxWidth);
  config.ffn_width = fields.integer("d_ff", 2048, 1, kMaxFfnWidth);
  config.heads = fields.integer("num_heads", 8, 1, kMaxHeads);
  config.head_width = fields.integer("d_kv", 64, 1, kMaxHeadWidth);
  config.vocab_size = fields.integer("vocab_size", 32128, 1, kMaxVocab);
  config.position_buckets = fields.integer("relative_attention_num_buckets", 32, 4, kMaxBuckets);
  config.position_distance_max =
      fields.integer("relative_attention_max_distance", 128, 1, kMaxDistance);
  config.norm_epsilon = static_cast<float>(fields.number("layer_norm_epsilon", 1e-6, 1e-12, 1));
  config.pad_id = fields.integer("pad_token_id", 0, 0, config.vocab_size - 1);
  config.end_id = fields.integer("eos_token_id", 1, 0, config.vocab_size - 1);
  if (config.head_width % 2 != 0) fields.refuse("d_kv", "must be even");
  if (config.position_buckets % 4 != 0) {
    fields.refuse("relative_attention_num_buckets", "must be a multiple of 4");
  }
  // A quarter of the buckets hold one distance each, the next quarter grow up to the last distance.
  if (config.position_distance_max <= config.position_buckets / 4) {
    fields.refuse("relative_attention_max_distance",
                  concat("must be above ", config.position_buckets / 4), /*unsupported=*/false);
  }
  fields.ignore({"architectures", "classifier_dropout", "decoder_start_token_id", "dense_act_fn",
                 "dropout_rate", "initializer_factor", "is_encoder_decoder", "is_gated_act",
                 "num_decoder_layers", "output_past", "tie_word_embeddings", "transformers_version",
                 "use_cache"});
  return config;
}

std::vector<ExpectedTensor> expected_tensors(const T5Config& config) {
  TensorList list;
  const int64_t width = config.width, inner = int64_t{config.heads} * config.head_width;
  list.add(kEmbedding, {config.vocab_size, width});
  list.add("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
           {config.position_buckets, config.heads});
  for (int layer = 0; layer < config.layers; ++layer) {
    const std::string attention = concat("encoder.block.", layer, ".layer.0.");
    const std::string ffn = concat("encoder.block.", layer, ".layer.1.");
    list.add(attention + "layer_norm.weight", {width});
    for (const char* name : {"q", "k", "v"}) {
      list.add_linear(attention + "SelfAttention." + name, inner, width, /*bias=*/false);
    }
    list.add_linear(attention + "SelfAttention.o", width, inner, /*bias=*/false);
    list.add(ffn + "layer_norm.weight", {width});
    list.add_linear(ffn + "DenseReluDense.wi_0", config.ffn_width, width, /*bias=*/false);
    list.add_linear(ffn + "DenseReluDense.wi_1", config.ffn_width, width, /*bias=*/false);
    list.add_linear(ffn + "DenseReluDense.wo", width, config.ffn_width, /*bias=*/false);
  }
  list.add("encoder.final_layer_norm.weight", {width});
  return list.take();
}

void settle_encoder(TensorFiles& files) {
  for (const std::string& name : files.names()) {
    if (name.starts_with("decoder.") || name == "lm_head.weight") files.drop(name);
  }
  if (!files.has(kSameEmbedding)) return;
  if (files.has(kEmbedding)) {
    files.drop(kSameEmbedding);
  } else {
    files.rename(kSameEmbedding, kEmbedding);
  }
}

}  // namespace tessera
