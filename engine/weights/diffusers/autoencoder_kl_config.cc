#include "engine/weights/diffusers/autoencoder_kl_config.h"

#include <algorithm>
#include <array>

#include "engine/weights/diffusers/component.h"

namespace tessera {
namespace {

constexpr size_t kMaxStages = 8;
constexpr int kMaxResnets = 16;
constexpr int kMaxGroups = 1 << 10;
constexpr int kMaxSampleSize = 1 << 14;

const std::string kMid = "decoder.mid_block.";
const std::string kMidAttention = kMid + "attentions.0.";

struct OldName {
  const char* before;
  const char* now;
};
constexpr std::array<OldName, 4> kOldNames = {
    {{"query", "to_q"}, {"key", "to_k"}, {"value", "to_v"}, {"proj_attn", "to_out.0"}}};

std::vector<int> read_channels(JsonFields& fields, int groups) {
  const nlohmann::json* given = fields.find("block_out_channels");
  const nlohmann::json list = given == nullptr ? nlohmann::json::array({64u}) : *given;
  const std::string why = concat("must list 1 to ", kMaxStages, " multiples of norm_num_groups (",
                                 groups, ") up to ", kMaxChannels);
  const auto fits = [&](const nlohmann::json& width) {
    return width.is_number_unsigned() && width.get<uint64_t>() > 0 &&
           width.get<uint64_t>() <= kMaxChannels && width.get<uint64_t>() % groups == 0;
  };
  if (!list.is_array() || list.empty() || list.size() > kMaxStages ||
      !std::all_of(list.begin(), list.end(), fits)) {
    fields.refuse("block_out_channels", why, /*unsupported=*/false);
    return {groups};
  }
  return list.get<std::vector<int>>();
}

void check_stages(JsonFields& fields, size_t count) {
  const nlohmann::json wanted(count, "UpDecoderBlock2D");
  const nlohmann::json* types = fields.find("up_block_types");
  const bool fits = types == nullptr ? count == 1 : *types == wanted;
  if (!fits) {
    fields.refuse("up_block_types", concat("must be UpDecoderBlock2D for each of the ", count,
                                           " stages of block_out_channels"));
  }
}

// One number, or height and width.
int read_sample_size(JsonFields& fields) {
  const nlohmann::json* size = fields.find("sample_size");
  if (size == nullptr || !size->is_array()) {
    return fields.integer("sample_size", 32, 1, kMaxSampleSize);
  }
  const bool fits = size->size() == 2 && size->front().is_number_unsigned() &&
                    size->front() == size->back() && size->front() >= 1 &&
                    size->front() <= kMaxSampleSize;
  if (!fits) {
    fields.refuse("sample_size", concat("must be one integer from 1 to ", kMaxSampleSize));
    return 1;
  }
  return size->front().get<int>();
}

void add_resnet(TensorList& list, const std::string& name, int64_t out, int64_t in) {
  list.add_norm(name + "norm1", in);
  list.add_convolution(name + "conv1", out, in, 3);
  list.add_norm(name + "norm2", out);
  list.add_convolution(name + "conv2", out, out, 3);
  if (out != in) list.add_convolution(name + "conv_shortcut", out, in, 1);
}

}  // namespace

AutoencoderKlConfig read_autoencoder_kl_config(JsonFields& fields) {
  AutoencoderKlConfig config;
  config.latent_channels = fields.integer("latent_channels", 4, 1, kMaxChannels);
  config.norm_groups = fields.integer("norm_num_groups", 32, 1, kMaxGroups);
  config.channels = read_channels(fields, config.norm_groups);
  check_stages(fields, config.channels.size());
  config.resnets_per_stage = fields.integer("layers_per_block", 1, 1, kMaxResnets) + 1;
  config.sample_size = read_sample_size(fields);
  config.scaling_factor = fields.number("scaling_factor", 0.18215, 1e-6, 1e6);
  config.shift_factor = fields.number("shift_factor", 0, -1e6, 1e6);
  config.post_quant_convolution = fields.flag("use_post_quant_conv", true);
  config.mid_attention = fields.flag("mid_block_add_attention", true);
  config.force_f32 = fields.flag("force_upcast", true);
  const std::string activation = fields.text("act_fn", "silu");
  if (activation != "silu" && activation != "swish") {
    fields.refuse("act_fn", "only silu is supported");
  }
  require_value(fields, "out_channels", 3);
  for (const char* key : {"latents_mean", "latents_std"}) {
    if (fields.has(key)) fields.refuse(key, "only one factor for all channels is supported");
  }
  fields.ignore({"down_block_types", "in_channels", "use_quant_conv"});
  return config;
}

std::vector<ExpectedTensor> expected_tensors(const AutoencoderKlConfig& config) {
  TensorList list;
  const int64_t deepest = config.channels.back(), latent = config.latent_channels;
  if (config.post_quant_convolution) list.add_convolution("post_quant_conv", latent, latent, 1);
  list.add_convolution("decoder.conv_in", deepest, latent, 3);
  add_resnet(list, kMid + "resnets.0.", deepest, deepest);
  if (config.mid_attention) {
    list.add_norm(kMidAttention + "group_norm", deepest);
    for (const OldName& name : kOldNames) {
      list.add_linear(kMidAttention + name.now, deepest, deepest);
    }
  }
  add_resnet(list, kMid + "resnets.1.", deepest, deepest);
  int64_t in = deepest;
  const size_t stages = config.channels.size();
  for (size_t stage = 0; stage < stages; ++stage) {
    const int64_t out = config.channels[stages - 1 - stage];
    const std::string at = concat("decoder.up_blocks.", stage, ".");
    for (int resnet = 0; resnet < config.resnets_per_stage; ++resnet) {
      add_resnet(list, concat(at, "resnets.", resnet, "."), out, in);
      in = out;
    }
    if (stage + 1 < stages) list.add_convolution(at + "upsamplers.0.conv", out, out, 3);
  }
  list.add_norm("decoder.conv_norm_out", in);
  list.add_convolution("decoder.conv_out", 3, in, 3);
  return list.take();
}

void settle_decoder(const AutoencoderKlConfig& config, TensorFiles& files) {
  for (const std::string& name : files.names()) {
    if (name.starts_with("encoder.") || name.starts_with("quant_conv.")) files.drop(name);
  }
  const int64_t width = config.channels.back();
  for (const OldName& name : kOldNames) {
    for (const char* end : {".weight", ".bias"}) {
      const std::string before = kMidAttention + name.before + end;
      const std::string now = kMidAttention + name.now + end;
      if (files.has(before) && !files.has(now)) files.rename(before, now);
    }
    const std::string weight = kMidAttention + name.now + ".weight";
    const std::vector<int64_t> convolution = {width, width, 1, 1};
    if (files.has(weight) && files.stored(weight).shape == convolution) {
      files.reshape(weight, {width, width});
    }
  }
}

}  // namespace tessera
