#include "engine/weights/diffusers/sd3_config.h"

#include "engine/weights/diffusers/component.h"

namespace tessera {
namespace {

constexpr int kMaxPositions = 1 << 10;

std::vector<bool> read_dual_attention(JsonFields& fields, int layers) {
  std::vector<bool> dual(layers, false);
  const nlohmann::json* list = fields.find("dual_attention_layers");
  if (list == nullptr) return dual;
  const std::string why = concat("must be a list of blocks from 0 to ", layers - 1);
  if (!list->is_array() || list->size() > kMaxBlocks) {
    fields.refuse("dual_attention_layers", why, /*unsupported=*/false);
    return dual;
  }
  for (const nlohmann::json& block : *list) {
    if (!block.is_number_unsigned() || block.get<uint64_t>() >= static_cast<uint64_t>(layers)) {
      fields.refuse("dual_attention_layers", why, /*unsupported=*/false);
      return dual;
    }
    dual[block.get<size_t>()] = true;
  }
  return dual;
}

void add_head_norms(TensorList& list, const std::string& attention, bool context, int64_t width) {
  for (const char* name : {".norm_q", ".norm_k"}) list.add(attention + name + ".weight", {width});
  if (!context) return;
  for (const char* name : {".norm_added_q", ".norm_added_k"}) {
    list.add(attention + name + ".weight", {width});
  }
}

// The last block's context is read once more, but not written.
void add_block(TensorList& list, const Sd3Config& config, int block) {
  const int64_t width = config.width();
  const bool last = block == config.layers - 1, dual = config.dual_attention[block];
  const std::string at = concat("transformer_blocks.", block, ".");
  list.add_linear(at + "norm1.linear", (dual ? 9 : 6) * width, width);
  list.add_linear(at + "norm1_context.linear", (last ? 2 : 6) * width, width);
  add_attention(list, at + "attn", width, width, /*bias=*/true);
  for (const char* name : {"attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"}) {
    list.add_linear(at + name, width, width);
  }
  if (!last) list.add_linear(at + "attn.to_add_out", width, width);
  if (config.qk_norm) add_head_norms(list, at + "attn", /*context=*/true, config.head_width);
  if (dual) {
    add_attention(list, at + "attn2", width, width, /*bias=*/true);
    if (config.qk_norm) add_head_norms(list, at + "attn2", /*context=*/false, config.head_width);
  }
  add_feed_forward(list, at + "ff", width);
  if (!last) add_feed_forward(list, at + "ff_context", width);
}

}  // namespace

Sd3Config read_sd3_config(JsonFields& fields) {
  const ShapeDefaults defaults = {.layers = 18,
                                  .head_width = 64,
                                  .heads = 18,
                                  .in_channels = 16,
                                  .out_channels = 16,
                                  .patch = 2,
                                  .sample_size = 128};
  Sd3Config config{read_transformer_shape(fields, defaults)};
  config.prompt_width = fields.integer("joint_attention_dim", 4096, 1, kMaxWidth);
  config.pooled_width = fields.integer("pooled_projection_dim", 2048, 1, kMaxWidth);
  config.position_size = fields.names("pos_embed_max_size")
                             ? fields.required_integer("pos_embed_max_size", 1, kMaxPositions)
                             : 96;
  if (fields.integer("caption_projection_dim", 1152, 1, kMaxWidth) != config.width()) {
    fields.refuse(
        "caption_projection_dim",
        concat("must be num_attention_heads x attention_head_dim, which is ", config.width()));
  }
  if (config.out_channels != config.in_channels) {
    fields.refuse("out_channels", concat("must be in_channels, which is ", config.in_channels));
  }
  if (config.sample_size / config.patch > config.position_size) {
    fields.refuse(
        "pos_embed_max_size",
        concat("must cover the ", config.sample_size / config.patch, " tokens of sample_size"),
        /*unsupported=*/false);
  }
  require_value(fields, "qk_norm", "rms_norm");
  config.qk_norm = fields.has("qk_norm");
  config.dual_attention = read_dual_attention(fields, config.layers);
  return config;
}

std::vector<ExpectedTensor> expected_tensors(const Sd3Config& config) {
  TensorList list;
  const int64_t width = config.width(), patch = config.patch;
  list.add("pos_embed.pos_embed", {1, int64_t{config.position_size} * config.position_size, width});
  list.add_convolution("pos_embed.proj", width, config.in_channels, patch);
  add_embedder(list, "time_text_embed.timestep_embedder", kSinusoidWidth, width);
  add_embedder(list, "time_text_embed.text_embedder", config.pooled_width, width);
  list.add_linear("context_embedder", width, config.prompt_width);
  for (int block = 0; block < config.layers; ++block) add_block(list, config, block);
  list.add_linear("norm_out.linear", 2 * width, width);
  list.add_linear("proj_out", config.out_channels * patch * patch, width);
  return list.take();
}

}  // namespace tessera
