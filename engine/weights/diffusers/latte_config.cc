#include "engine/weights/diffusers/latte_config.h"

#include <algorithm>

#include "engine/weights/diffusers/component.h"
#include "engine/weights/diffusers/pixart_config.h"

namespace tessera {
namespace {

constexpr int kMaxFrames = 1 << 12;

// Keys whose class default is another computation than Latte's, so that silence is a mistake.
void require_stated(JsonFields& fields, const char* key, const nlohmann::json& value) {
  if (!fields.has(key)) fields.refuse(key, concat("must be ", show_for_message(value)));
}

}  // namespace

LatteConfig read_latte_config(JsonFields& fields) {
  const ShapeDefaults defaults = {.layers = 1, .head_width = 88, .sample_size = 64};
  LatteConfig config{read_transformer_shape(fields, defaults)};
  check_basic_blocks(fields, "ada_norm_single");
  require_stated(fields, "norm_type", "ada_norm_single");
  require_stated(fields, "activation_fn", "gelu-approximate");
  require_stated(fields, "norm_elementwise_affine", false);
  require_stated(fields, "cross_attention_dim", config.width());
  fields.ignore({"num_embeds_ada_norm"});
  config.attention_bias = fields.flag("attention_bias", false);
  config.norm_epsilon = static_cast<float>(fields.number("norm_eps", 1e-5, 1e-12, 1));
  config.frames = fields.integer("video_length", 16, 1, kMaxFrames);
  config.interpolation_scale = std::max(config.sample_size / 64, 1);
  config.caption_channels = read_caption_channels(fields, config.width());
  return config;
}

std::vector<ExpectedTensor> expected_tensors(const LatteConfig& config) {
  TensorList list;
  add_single_modulation(list, config, config.caption_channels);
  for (int block = 0; block < config.layers; ++block) {
    add_single_block(list, concat("transformer_blocks.", block, "."), config.width(),
                     config.attention_bias, /*cross=*/true);
    add_single_block(list, concat("temporal_transformer_blocks.", block, "."), config.width(),
                     config.attention_bias, /*cross=*/false);
  }
  return list.take();
}

}  // namespace tessera
