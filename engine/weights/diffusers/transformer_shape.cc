#include "engine/weights/diffusers/transformer_shape.h"

#include "engine/weights/diffusers/component.h"

namespace tessera {
namespace {

constexpr int kMaxPatch = 16;

int read(JsonFields& fields, const char* key, int fallback, int max) {
  return fallback == 0 ? fields.required_integer(key, 1, max)
                       : fields.integer(key, fallback, 1, max);
}

}  // namespace

TransformerShape read_transformer_shape(JsonFields& fields, const ShapeDefaults& defaults) {
  TransformerShape shape;
  shape.layers = read(fields, "num_layers", defaults.layers, kMaxBlocks);
  shape.heads = read(fields, "num_attention_heads", defaults.heads, kMaxHeads);
  shape.head_width = read(fields, "attention_head_dim", defaults.head_width, kMaxHeadWidth);
  shape.in_channels = read(fields, "in_channels", defaults.in_channels, kMaxChannels);
  // null is not absence here: it asks for as many as come in.
  const bool stated = fields.names("out_channels");
  const int out_fallback =
      stated || defaults.out_channels == 0 ? shape.in_channels : defaults.out_channels;
  shape.out_channels = fields.integer("out_channels", out_fallback, 1, 2 * kMaxChannels);
  shape.patch = read(fields, "patch_size", defaults.patch, kMaxPatch);
  shape.sample_size = read(fields, "sample_size", defaults.sample_size, kMaxLatentSize);

  if (shape.head_width % 2 != 0) {
    fields.refuse("attention_head_dim", "must be even");
  }
  if (shape.width() % 4 != 0 || shape.width() > kMaxWidth) {
    fields.refuse("attention_head_dim",
                  concat("must give a multiple of 4 up to ", kMaxWidth, " times the ", shape.heads,
                         " of num_attention_heads"));
  }
  if (shape.sample_size % shape.patch != 0) {
    fields.refuse("sample_size", concat("must be a multiple of patch_size, which is ", shape.patch),
                  /*unsupported=*/false);
  }
  return shape;
}

void check_basic_blocks(JsonFields& fields, const char* norm_type) {
  require_value(fields, "norm_type", norm_type);
  require_value(fields, "activation_fn", "gelu-approximate");
  require_value(fields, "attention_type", "default");
  for (const char* key : {"norm_elementwise_affine", "upcast_attention", "only_cross_attention",
                          "double_self_attention", "use_linear_projection"}) {
    require_value(fields, key, false);
  }
  if (fields.has("num_vector_embeds")) {
    fields.refuse("num_vector_embeds", "only latents of numbers are supported");
  }
  fields.ignore({"dropout", "norm_num_groups"});
}

void add_attention(TensorList& list, const std::string& name, int64_t width, int64_t context,
                   bool bias) {
  list.add_linear(name + ".to_q", width, width, bias);
  list.add_linear(name + ".to_k", width, context, bias);
  list.add_linear(name + ".to_v", width, context, bias);
  list.add_linear(name + ".to_out.0", width, width);
}

void add_feed_forward(TensorList& list, const std::string& name, int64_t width) {
  list.add_linear(name + ".net.0.proj", 4 * width, width);
  list.add_linear(name + ".net.2", width, 4 * width);
}

void add_embedder(TensorList& list, const std::string& name, int64_t inputs, int64_t width) {
  list.add_linear(name + ".linear_1", width, inputs);
  list.add_linear(name + ".linear_2", width, width);
}

}  // namespace tessera
