#include "engine/codecs/autoencoder_kl.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/ops/attention.h"
#include "kernels/ops/conv.h"
#include "kernels/ops/norm.h"
#include "kernels/ops/patch.h"

namespace tessera {
namespace {

constexpr float kEpsilon = 1e-6f;
constexpr int kColors = 3;

Tensor as_rows(const Tensor& flat, int64_t rows, int64_t columns) {
  CHECK_LE(rows * columns, flat.dim(0));
  return make_tensor(flat.data, flat.dtype, {rows, columns});
}

}  // namespace

AutoencoderKlDecoder::AutoencoderKlDecoder(const AutoencoderKlConfig& config, DType dtype,
                                           Region& weights)
    : config_(config), dtype_(dtype) {
  const int latent = config.latent_channels, top = config.channels.back();
  if (config.post_quant_convolution) {
    post_quant_ = LinearLayer(
        weights, dtype,
        {{"post_quant_conv", latent, latent, {0, latent}, {0, latent}, {latent, latent, 1, 1}}},
        true);
  }
  conv_in_ = ConvLayer(weights, dtype, "decoder.conv_in", top, latent, 3);
  const std::string middle = "decoder.mid_block.";
  for (int which = 0; which < 2; ++which) {
    mid_[which] = make_resnet(weights, middle + "resnets." + std::to_string(which), top, top);
  }
  if (config.mid_attention) {
    const std::string at = middle + "attentions.0.";
    const auto whole = [top, &at](const char* name) {
      return LinearPart{at + name, top, top, {0, top}, {0, top}};
    };
    attention_norm_ = make_norm(weights, at + "group_norm", top);
    qkv_ = LinearLayer(weights, dtype, {whole("to_q"), whole("to_k"), whole("to_v")}, true);
    attention_out_ = LinearLayer(weights, dtype, {whole("to_out.0")}, true);
  }
  int inputs = top;
  for (size_t stage = 0; stage < config.channels.size(); ++stage) {
    const int outputs = config.channels[config.channels.size() - 1 - stage];
    const std::string at = "decoder.up_blocks." + std::to_string(stage) + ".";
    UpBlock block;
    for (int which = 0; which < config.resnets_per_stage; ++which) {
      block.resnets.push_back(make_resnet(weights, at + "resnets." + std::to_string(which),
                                          which == 0 ? inputs : outputs, outputs));
    }
    block.doubles = stage + 1 < config.channels.size();
    if (block.doubles) {
      block.upsampler = ConvLayer(weights, dtype, at + "upsamplers.0.conv", outputs, outputs, 3);
    }
    blocks_.push_back(std::move(block));
    inputs = outputs;
  }
  norm_out_ = make_norm(weights, "decoder.conv_norm_out", inputs);
  conv_out_ = ConvLayer(weights, dtype, "decoder.conv_out", kColors, inputs, 3);
}

AutoencoderKlDecoder::Norm AutoencoderKlDecoder::make_norm(Region& weights, const std::string& name,
                                                           int channels) {
  return {name, weights.allocate(DType::kF32, {channels}),
          weights.allocate(DType::kF32, {channels})};
}

AutoencoderKlDecoder::Resnet AutoencoderKlDecoder::make_resnet(Region& weights,
                                                               const std::string& name, int inputs,
                                                               int outputs) const {
  Resnet resnet;
  resnet.norm1 = make_norm(weights, name + ".norm1", inputs);
  resnet.conv1 = ConvLayer(weights, dtype_, name + ".conv1", outputs, inputs, 3);
  resnet.norm2 = make_norm(weights, name + ".norm2", outputs);
  resnet.conv2 = ConvLayer(weights, dtype_, name + ".conv2", outputs, outputs, 3);
  resnet.widens = inputs != outputs;
  if (resnet.widens) {
    resnet.shortcut = ConvLayer(weights, dtype_, name + ".conv_shortcut", outputs, inputs, 1);
  }
  return resnet;
}

void AutoencoderKlDecoder::allocate_scratch(Region& scratch, int64_t latent_pixels) {
  // The stream is widest where a stage has doubled its pixels but not yet narrowed.
  int64_t floats = 0, gathered = conv_in_.gathered_columns(), pixels = latent_pixels;
  for (const UpBlock& block : blocks_) {
    for (const Resnet& resnet : block.resnets) {
      gathered =
          std::max({gathered, resnet.conv1.gathered_columns(), resnet.conv2.gathered_columns()});
      floats = std::max(
          floats, pixels * std::max<int64_t>(resnet.conv1.outputs(), resnet.norm1.gain.dim(0)));
    }
    if (!block.doubles) continue;
    pixels *= 4;
    gathered = std::max(gathered, block.upsampler.gathered_columns());
    floats = std::max(floats, pixels * block.upsampler.outputs());
  }
  const int64_t top = config_.channels.back();
  for (Tensor& buffer : buffers_) buffer = scratch.allocate(DType::kF32, {floats});
  hidden_ = scratch.allocate(DType::kF32, {floats});
  normed_ = scratch.allocate(dtype_, {floats});
  gathered_ = scratch.allocate(dtype_, {ConvLayer::kPieceRows * gathered});
  latents_ = scratch.allocate(dtype_, {2 * latent_pixels * config_.latent_channels});
  if (!config_.mid_attention) return;
  q_ = scratch.allocate(dtype_, {latent_pixels, 1, top});
  mixed_ = scratch.allocate(dtype_, {latent_pixels, 1, top});
  qkv_rows_ = scratch.allocate(DType::kF32, {latent_pixels, 3 * top});
  slots_ = scratch.allocate(DType::kI32, {latent_pixels});
  last_keys_ = scratch.allocate(DType::kI32, {latent_pixels});
  const int64_t pages = (latent_pixels + kKvBlockTokens - 1) / kKvBlockTokens;
  pages_ = scratch.allocate(DType::kI32, {pages});
  segment_ = scratch.allocate(DType::kU8, {1, int64_t{sizeof(AttentionSegment)}});
  kv_ = allocate_kv_layer(scratch, dtype_, pages, 1, top);
}

absl::Status AutoencoderKlDecoder::load_norm(const TensorFiles& files, const Norm& norm,
                                             Stream& stream) {
  absl::Status status = load_gain(files, norm.name + ".weight", norm.gain, stream);
  status.Update(load_gain(files, norm.name + ".bias", norm.bias, stream));
  return status;
}

absl::Status AutoencoderKlDecoder::load_resnet(const TensorFiles& files, const Resnet& resnet,
                                               Stream& stream) {
  absl::Status status = load_norm(files, resnet.norm1, stream);
  status.Update(load_norm(files, resnet.norm2, stream));
  status.Update(resnet.conv1.load(files, stream));
  status.Update(resnet.conv2.load(files, stream));
  if (resnet.widens) status.Update(resnet.shortcut.load(files, stream));
  return status;
}

absl::Status AutoencoderKlDecoder::load(const TensorFiles& files, Stream& stream) const {
  absl::Status status = conv_in_.load(files, stream);
  if (config_.post_quant_convolution) status.Update(post_quant_.load(files, stream));
  for (const Resnet& resnet : mid_) status.Update(load_resnet(files, resnet, stream));
  if (config_.mid_attention) {
    status.Update(load_norm(files, attention_norm_, stream));
    status.Update(qkv_.load(files, stream));
    status.Update(attention_out_.load(files, stream));
  }
  for (const UpBlock& block : blocks_) {
    for (const Resnet& resnet : block.resnets) status.Update(load_resnet(files, resnet, stream));
    if (block.doubles) status.Update(block.upsampler.load(files, stream));
  }
  status.Update(load_norm(files, norm_out_, stream));
  status.Update(conv_out_.load(files, stream));
  stream.wait(stream.record());
  return status;
}

Tensor AutoencoderKlDecoder::rows_of(const Picture& picture) const {
  return as_rows(buffers_[picture.buffer], int64_t{picture.height} * picture.width,
                 picture.channels);
}

Tensor AutoencoderKlDecoder::normed(Stream& stream, const Tensor& rows, const Norm& norm,
                                    bool silu) const {
  const Tensor out = as_rows(normed_, rows.dim(0), rows.dim(1));
  group_norm(stream, {.in = rows,
                      .groups = config_.norm_groups,
                      .eps = kEpsilon,
                      .gain = norm.gain,
                      .bias = norm.bias,
                      .silu = silu,
                      .out = out});
  return out;
}

Tensor AutoencoderKlDecoder::narrowed(Stream& stream, const Picture& picture) const {
  const Tensor rows = rows_of(picture);
  const Tensor out = as_rows(normed_, rows.dim(0), rows.dim(1));
  add_layer_norm(stream, {.delta = {},
                          .gate = {},
                          .row_mod = {},
                          .rows = {},
                          .gain = {},
                          .bias = {},
                          .scale = {},
                          .shift = {},
                          .residual = rows,
                          .normed = out,
                          .eps = kEpsilon,
                          .normalise = false});
  return out;
}

void AutoencoderKlDecoder::apply(Stream& stream, const Resnet& resnet, Picture& picture) const {
  const int height = picture.height, width = picture.width;
  const int64_t pixels = int64_t{height} * width;
  const int outputs = resnet.conv1.outputs();
  const Tensor in = rows_of(picture), hidden = as_rows(hidden_, pixels, outputs);
  resnet.conv1(stream, normed(stream, in, resnet.norm1, true), height, width, false, gathered_,
               hidden);
  const Tensor second = normed(stream, hidden, resnet.norm2, true);
  resnet.conv2(stream, second, height, width, false, gathered_, hidden);
  if (resnet.widens) {
    const Tensor narrow = narrowed(stream, picture);
    picture.buffer = 1 - picture.buffer;
    picture.channels = outputs;
    resnet.shortcut(stream, narrow, height, width, false, gathered_, rows_of(picture));
  }
  add_rows(stream, {.delta = hidden, .rows = {}, .residual = rows_of(picture)});
}

void AutoencoderKlDecoder::attend(Stream& stream, const Picture& picture) const {
  const Tensor rows = rows_of(picture);
  const int64_t n = rows.dim(0), C = picture.channels;
  std::vector<int32_t> keys(n);
  std::iota(keys.begin(), keys.end(), 0);
  stream.upload(slots_.rows(0, n), std::span<const int32_t>(keys));
  const int64_t pages = (n + kKvBlockTokens - 1) / kKvBlockTokens;
  stream.upload(pages_.rows(0, pages), std::span<const int32_t>(keys).first(pages));
  std::fill(keys.begin(), keys.end(), static_cast<int32_t>(n - 1));
  stream.upload(last_keys_.rows(0, n), std::span<const int32_t>(keys));
  const AttentionSegment segment{0, static_cast<int32_t>(n), 0, -1, 0, 0};
  stream.upload(segment_, std::as_bytes(std::span(&segment, 1)));

  const Tensor qkv = qkv_rows_.rows(0, n), q = q_.rows(0, n), mixed = mixed_.rows(0, n);
  qkv_(stream, normed(stream, rows, attention_norm_, false), qkv);
  rope_and_store(stream, {.qkv = qkv,
                          .positions = {},
                          .cos_sin = {},
                          .q_gain = {},
                          .k_gain = {},
                          .norm_eps = 0,
                          .slots = slots_.rows(0, n),
                          .H = 1,
                          .Hkv = 1,
                          .Dh = static_cast<int>(C),
                          .q = q,
                          .k_pages = kv_.k_pages,
                          .v_pages = kv_.v_pages});
  attention(stream, {.q = q,
                     .k_pages = kv_.k_pages,
                     .v_pages = kv_.v_pages,
                     .segments = segment_,
                     .positions = last_keys_.rows(0, n),
                     .pages = pages_.rows(0, pages),
                     .tails = {},
                     .segment_count = 1,
                     .spec = {},
                     .scale = 1.0f / std::sqrt(static_cast<float>(C)),
                     .out = mixed,
                     .lse = {}});
  const Tensor delta = as_rows(hidden_, n, C);
  attention_out_(stream, make_tensor(mixed.data, mixed.dtype, {n, C}), delta);
  add_rows(stream, {.delta = delta, .rows = {}, .residual = rows});
}

void AutoencoderKlDecoder::decode(Stream& stream, const Tensor& pool, int64_t in_offset, int height,
                                  int width, const Tensor& pixels, int64_t out_offset) const {
  const int64_t n = int64_t{height} * width, latent = config_.latent_channels;
  Tensor rows = as_rows(latents_, n, latent);
  patchify(stream, {.pool = pool,
                    .offset = in_offset,
                    .channels = static_cast<int>(latent),
                    .frames = 1,
                    .height = height,
                    .width = width,
                    .patch = 1,
                    .rows = rows,
                    .scale = static_cast<float>(1 / config_.scaling_factor),
                    .shift = static_cast<float>(config_.shift_factor)});
  if (config_.post_quant_convolution) {
    const Tensor out = as_rows(latents_.rows(n * latent, n * latent), n, latent);
    post_quant_(stream, rows, out);
    rows = out;
  }
  Picture picture{height, width, config_.channels.back(), 0};
  conv_in_(stream, rows, height, width, false, gathered_, rows_of(picture));
  apply(stream, mid_[0], picture);
  if (config_.mid_attention) attend(stream, picture);
  apply(stream, mid_[1], picture);
  for (const UpBlock& block : blocks_) {
    for (const Resnet& resnet : block.resnets) apply(stream, resnet, picture);
    if (!block.doubles) continue;
    const Tensor narrow = narrowed(stream, picture);
    const int from_height = picture.height, from_width = picture.width;
    picture.buffer = 1 - picture.buffer;
    picture.height *= 2;
    picture.width *= 2;
    block.upsampler(stream, narrow, from_height, from_width, true, gathered_, rows_of(picture));
  }
  const Tensor last = normed(stream, rows_of(picture), norm_out_, true);
  const Tensor colors = as_rows(hidden_, last.dim(0), kColors);
  conv_out_(stream, last, picture.height, picture.width, false, gathered_, colors);
  unpatchify(stream, {.rows = colors,
                      .pool = pixels,
                      .offset = out_offset,
                      .channels = kColors,
                      .frames = 1,
                      .height = picture.height,
                      .width = picture.width,
                      .patch = 1});
}

}  // namespace tessera
