#include "engine/weights/diffusers/dit_config.h"

#include "engine/weights/diffusers/component.h"

namespace tessera {
namespace {

constexpr int kMaxClasses = 1 << 20;

std::string block_name(int block) { return concat("transformer_blocks.", block, "."); }

std::vector<ExpectedTensor> embedders(const DitConfig& config, int block) {
  TensorList list;
  const std::string at = block_name(block) + "norm1.emb.";
  add_embedder(list, at + "timestep_embedder", kSinusoidWidth, config.width());
  list.add(at + "class_embedder.embedding_table.weight", {config.classes + 1, config.width()});
  return list.take();
}

}  // namespace

DitConfig read_dit_config(JsonFields& fields) {
  const ShapeDefaults defaults = {
      .layers = 28, .head_width = 72, .in_channels = 4, .patch = 2, .sample_size = 32};
  DitConfig config{read_transformer_shape(fields, defaults)};
  check_basic_blocks(fields, "ada_norm_zero");
  // null would mean a model without classes, which diffusers refuses too.
  config.classes = fields.names("num_embeds_ada_norm")
                       ? fields.required_integer("num_embeds_ada_norm", 1, kMaxClasses)
                       : 1000;
  config.attention_bias = fields.flag("attention_bias", true);
  config.norm_epsilon = static_cast<float>(fields.number("norm_eps", 1e-5, 1e-12, 1));
  if (config.out_channels != config.in_channels && config.out_channels != 2 * config.in_channels) {
    fields.refuse("out_channels",
                  concat("must be in_channels, which is ", config.in_channels, ", or twice that"));
  }
  fields.ignore({"caption_channels", "cross_attention_dim", "interpolation_scale",
                 "use_additional_conditions"});
  return config;
}

std::vector<ExpectedTensor> expected_tensors(const DitConfig& config) {
  TensorList list;
  const int64_t width = config.width(), patch = config.patch;
  list.add_convolution("pos_embed.proj", width, config.in_channels, patch);
  for (ExpectedTensor& tensor : embedders(config, 0)) {
    list.add(std::move(tensor.name), std::move(tensor.shape));
  }
  for (int block = 0; block < config.layers; ++block) {
    const std::string at = block_name(block);
    list.add_linear(at + "norm1.linear", 6 * width, width);
    add_attention(list, at + "attn1", width, width, config.attention_bias);
    add_feed_forward(list, at + "ff", width);
  }
  list.add_linear("proj_out_1", 2 * width, width);
  list.add_linear("proj_out_2", config.out_channels * patch * patch, width);
  return list.take();
}

absl::Status drop_embedder_copies(const DitConfig& config, TensorFiles& files) {
  const std::vector<ExpectedTensor> firsts = embedders(config, 0);
  for (int block = 1; block < config.layers; ++block) {
    const std::vector<ExpectedTensor> copies = embedders(config, block);
    for (size_t index = 0; index < copies.size(); ++index) {
      const std::string &first = firsts[index].name, &copy = copies[index].name;
      if (!files.has(first) || !files.has(copy)) continue;
      const TensorBytes original = files.stored(first), duplicate = files.stored(copy);
      if (original != duplicate) {
        return absl::UnimplementedError(
            concat(files.file_of(copy), ": tensor ", quote_for_message(copy), " differs from ",
                   quote_for_message(first), "; one embedder must serve all blocks"));
      }
      files.release(duplicate.bytes);
      files.drop(copy);
    }
  }
  return absl::OkStatus();
}

}  // namespace tessera
