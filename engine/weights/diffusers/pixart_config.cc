#include "engine/weights/diffusers/pixart_config.h"

#include <algorithm>

#include "engine/weights/diffusers/component.h"

namespace tessera {

PixArtConfig read_pixart_config(JsonFields& fields) {
  const ShapeDefaults defaults = {.layers = 28,
                                  .head_width = 72,
                                  .in_channels = 4,
                                  .out_channels = 8,
                                  .patch = 2,
                                  .sample_size = 128};
  PixArtConfig config{read_transformer_shape(fields, defaults)};
  check_basic_blocks(fields, "ada_norm_single");
  fields.ignore({"num_embeds_ada_norm"});
  config.attention_bias = fields.flag("attention_bias", true);
  config.norm_epsilon = static_cast<float>(fields.number("norm_eps", 1e-6, 1e-12, 1));
  config.interpolation_scale =
      fields.number("interpolation_scale", std::max(config.sample_size / 64, 1), 1e-3, 1e3);
  config.size_conditions =
      fields.optional_flag("use_additional_conditions").value_or(config.sample_size == 128);
  // The class default is as wide as the published models are.
  if (!fields.names("cross_attention_dim") && config.width() != 1152) {
    fields.refuse("cross_attention_dim", concat("must be ", config.width()));
  }
  config.caption_channels = read_caption_channels(fields, config.width());
  if (config.size_conditions && config.width() % 3 != 0) {
    fields.refuse(
        "use_additional_conditions",
        concat("needs a width divisible by 3, but heads x their width is ", config.width()));
  }
  return config;
}

int read_caption_channels(JsonFields& fields, int64_t width) {
  if (fields.names("cross_attention_dim") &&
      fields.required_integer("cross_attention_dim", 1, kMaxWidth) != width) {
    fields.refuse("cross_attention_dim",
                  concat("must be num_attention_heads x attention_head_dim, which is ", width));
  }
  return fields.required_integer("caption_channels", 1, kMaxWidth);
}

void add_single_modulation(TensorList& list, const TransformerShape& shape, int caption_channels) {
  const int64_t width = shape.width(), patch = shape.patch;
  list.add_convolution("pos_embed.proj", width, shape.in_channels, patch);
  add_embedder(list, "adaln_single.emb.timestep_embedder", kSinusoidWidth, width);
  list.add_linear("adaln_single.linear", 6 * width, width);
  add_embedder(list, "caption_projection", caption_channels, width);
  list.add("scale_shift_table", {2, width});
  list.add_linear("proj_out", shape.out_channels * patch * patch, width);
}

void add_single_block(TensorList& list, const std::string& name, int64_t width, bool bias,
                      bool cross) {
  list.add(name + "scale_shift_table", {6, width});
  add_attention(list, name + "attn1", width, width, bias);
  if (cross) add_attention(list, name + "attn2", width, width, bias);
  add_feed_forward(list, name + "ff", width);
}

std::vector<ExpectedTensor> expected_tensors(const PixArtConfig& config) {
  TensorList list;
  add_single_modulation(list, config, config.caption_channels);
  if (config.size_conditions) {
    const std::string at = "adaln_single.emb.";
    add_embedder(list, at + "resolution_embedder", kSinusoidWidth, config.width() / 3);
    add_embedder(list, at + "aspect_ratio_embedder", kSinusoidWidth, config.width() / 3);
  }
  for (int block = 0; block < config.layers; ++block) {
    add_single_block(list, concat("transformer_blocks.", block, "."), config.width(),
                     config.attention_bias, /*cross=*/true);
  }
  return list.take();
}

}  // namespace tessera
