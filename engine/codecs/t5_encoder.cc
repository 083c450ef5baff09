#include "engine/codecs/t5_encoder.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "engine/batch/array_layout.h"
#include "engine/branch/residual.h"
#include "kernels/ops/activation.h"
#include "kernels/ops/attention.h"
#include "kernels/ops/embedding.h"

namespace tessera {
namespace {

constexpr int kLayerSites = 2;
constexpr const char* kBiasName =
    "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";

LinearPart whole(const std::string& name, int64_t outputs, int64_t inputs) {
  return {name, outputs, inputs, {0, outputs}, {0, inputs}};
}

int pages_for(int tokens) { return (tokens + kKvBlockTokens - 1) / kKvBlockTokens; }

}  // namespace

int t5_bucket(int distance, int buckets, int distance_max) {
  const int each_way = buckets / 2, exact = each_way / 2;
  const int first = distance > 0 ? each_way : 0;
  const int places = std::abs(distance);
  if (places < exact) return first + places;
  // In f32, as the reference has it: a place at the edge of a bucket falls where that falls.
  const float grown = std::log(static_cast<float>(places) / static_cast<float>(exact)) /
                      static_cast<float>(std::log(static_cast<double>(distance_max) / exact)) *
                      static_cast<float>(each_way - exact);
  return first + std::min(exact + static_cast<int>(grown), each_way - 1);
}

T5Encoder::T5Encoder(const T5Config& config, DType dtype, const T5Limits& limits, Region& weights)
    : config_(config), dtype_(dtype), limits_(limits) {
  const int64_t D = config.width, H = config.heads, offsets = 2 * int64_t{limits.tokens_max} - 1;
  embedding_ = LinearLayer(weights, dtype, {whole("shared", config.vocab_size, D)}, false);
  for (int index = 0; index < config.layers; ++index) {
    layers_.push_back(make_layer(weights, index));
  }
  final_norm_ = {"encoder.final_layer_norm.weight", weights.allocate(DType::kF32, {D})};
  buckets_ = weights.allocate(DType::kF32, {config.position_buckets * H, 1});
  bucket_of_ = weights.allocate(DType::kI32, {H * offsets});
  bias_ = weights.allocate(DType::kF32, {H, offsets});
}

T5Encoder::Layer T5Encoder::make_layer(Region& weights, int index) const {
  const int64_t D = config_.width, F = config_.ffn_width;
  const int64_t inner = int64_t{config_.heads} * config_.head_width;
  const std::string at = "encoder.block." + std::to_string(index) + ".layer.";
  const std::string attention = at + "0.SelfAttention.", mlp = at + "1.DenseReluDense.";
  Layer layer;
  layer.attention_norm = {at + "0.layer_norm.weight", weights.allocate(DType::kF32, {D})};
  layer.qkv = LinearLayer(weights, dtype_,
                          {whole(attention + "q", inner, D), whole(attention + "k", inner, D),
                           whole(attention + "v", inner, D)},
                          false);
  layer.out = LinearLayer(weights, dtype_, {whole(attention + "o", D, inner)}, false);
  layer.mlp_norm = {at + "1.layer_norm.weight", weights.allocate(DType::kF32, {D})};
  layer.up = LinearLayer::gated(weights, dtype_, whole(mlp + "wi_0", F, D),
                                whole(mlp + "wi_1", F, D), false);
  layer.down = LinearLayer(weights, dtype_, {whole(mlp + "wo", D, F)}, false);
  return layer;
}

void T5Encoder::allocate_scratch(Region& scratch) {
  const int64_t T = int64_t{limits_.tokens_max} * limits_.prompts_max;
  const int64_t D = config_.width, F = config_.ffn_width, H = config_.heads,
                Dh = config_.head_width;
  const int64_t pages = int64_t{pages_for(limits_.tokens_max)} * limits_.prompts_max;
  constexpr int64_t kSegmentIntegers = sizeof(AttentionSegment) / sizeof(int32_t);
  constexpr int64_t kArrays = 5;  // tokens, slots, positions, segments, pages
  integers_ = scratch.allocate(DType::kI32, {3 * T + kSegmentIntegers * limits_.prompts_max +
                                             pages + kArrays * ArrayLayout::kAlignIntegers});
  residual_ = scratch.allocate(DType::kF32, {T, D});
  normed_ = scratch.allocate(dtype_, {T, D});
  qkv_rows_ = scratch.allocate(DType::kF32, {T, 3 * H * Dh});
  q_ = scratch.allocate(dtype_, {T, H, Dh});
  mixed_ = scratch.allocate(dtype_, {T, H, Dh});
  ffn_ = scratch.allocate(dtype_, {T, F});
  delta_ = scratch.allocate(DType::kF32, {T, D});
  kv_ = allocate_kv_layer(scratch, dtype_, pages, H, Dh);
}

absl::Status T5Encoder::load(const TensorFiles& files, Stream& stream) const {
  absl::Status status = embedding_.load(files, stream);
  status.Update(load_bias(files, stream));
  for (const Layer& layer : layers_) {
    for (const Gain* const gain : {&layer.attention_norm, &layer.mlp_norm}) {
      status.Update(load_gain(files, gain->name, gain->values, stream));
    }
    for (const LinearLayer* const linear : {&layer.qkv, &layer.out, &layer.up, &layer.down}) {
      status.Update(linear->load(files, stream));
    }
    if (!status.ok()) return status;
    stream.wait(stream.record());
  }
  status.Update(load_gain(files, final_norm_.name, final_norm_.values, stream));
  return status;
}

absl::Status T5Encoder::load_bias(const TensorFiles& files, Stream& stream) const {
  const auto table = files.tensor(kBiasName, {config_.position_buckets, config_.heads});
  if (!table.ok()) return table.status();
  load_vector(stream, {.source = table->bytes.data(),
                       .source_dtype = table->dtype,
                       .out = make_tensor(buckets_.data, DType::kF32, {buckets_.dim(0)})});
  std::vector<int32_t> entries;
  for (int head = 0; head < config_.heads; ++head) {
    for (int distance = 1 - limits_.tokens_max; distance < limits_.tokens_max; ++distance) {
      const int bucket =
          t5_bucket(distance, config_.position_buckets, config_.position_distance_max);
      entries.push_back(bucket * config_.heads + head);
    }
  }
  stream.upload(bucket_of_, std::span<const int32_t>(entries));
  gather_rows(stream, {.in = buckets_,
                       .rows = bucket_of_,
                       .out = make_tensor(bias_.data, DType::kF32, {bias_.elements(), 1})});
  return absl::OkStatus();
}

std::vector<int32_t> T5Encoder::ids(const Tokenizer& tokenizer, std::string_view text) const {
  std::vector<int32_t> ids =
      tokenizer.encode(text, {.add_special_tokens = false, .parse_special = false});
  ids.push_back(config_.end_id);
  return ids;
}

T5Encoder::Prompts T5Encoder::lay_out(const std::vector<std::vector<int32_t>>& prompts,
                                      Stream& stream) const {
  CHECK_LE(prompts.size(), static_cast<size_t>(limits_.prompts_max));
  std::vector<int32_t> tokens, slots, last, pages;
  std::vector<AttentionSegment> segments;
  for (const std::vector<int32_t>& prompt : prompts) {
    const int32_t count = static_cast<int32_t>(prompt.size());
    CHECK_GT(count, 0);
    CHECK_LE(count, limits_.tokens_max);
    const int32_t page = static_cast<int32_t>(pages.size());
    segments.push_back({static_cast<int32_t>(tokens.size()), count, page, -1, 0, 0});
    for (int32_t at = 0; at < count; ++at) {
      tokens.push_back(prompt[at]);
      slots.push_back(page * kKvBlockTokens + at);
      last.push_back(count - 1);
    }
    for (int32_t more = 0; more < pages_for(count); ++more) pages.push_back(page + more);
  }
  ArrayLayout layout(integers_);
  Prompts out;
  out.rows = static_cast<int>(tokens.size());
  out.tokens = layout.array(tokens);
  out.pages = layout.array(pages);
  out.set.rows = out.rows;
  out.set.segments = static_cast<int>(segments.size());
  out.set.positions = layout.array(last);
  out.set.groups.push_back({layout.array(slots), layout.structs(segments)});
  layout.upload(stream);
  return out;
}

void T5Encoder::encode(const Prompts& prompts, const Tensor& out, Stream& stream) const {
  embed(prompts, stream);
  for (int layer = 0; layer < config_.layers; ++layer) block(prompts, layer, stream);
  finish(prompts, out, stream);
}

void T5Encoder::embed(const Prompts& prompts, Stream& stream) const {
  tessera::embed(stream, {.tokens = prompts.tokens,
                          .table = embedding_.weight(),
                          .residual = residual_.rows(0, prompts.rows)});
}

Tensor T5Encoder::attend(const Prompts& prompts, const Layer& layer, const Tensor& normed,
                         Stream& stream) const {
  const int64_t T = prompts.rows, H = config_.heads, Dh = config_.head_width;
  const GroupSegments& group = prompts.set.groups[0];
  const Tensor qkv = qkv_rows_.rows(0, T), q = q_.rows(0, T), mixed = mixed_.rows(0, T);
  layer.qkv(stream, normed, qkv);
  rope_and_store(stream, {.qkv = qkv,
                          .positions = prompts.set.positions,
                          .cos_sin = {},
                          .q_gain = {},
                          .k_gain = {},
                          .norm_eps = 0,
                          .slots = group.kv_slots,
                          .H = config_.heads,
                          .Hkv = config_.heads,
                          .Dh = config_.head_width,
                          .q = q,
                          .k_pages = kv_.k_pages,
                          .v_pages = kv_.v_pages});
  attention(stream, {.q = q,
                     .k_pages = kv_.k_pages,
                     .v_pages = kv_.v_pages,
                     .segments = group.segments,
                     .positions = prompts.set.positions,
                     .pages = prompts.pages,
                     .tails = {},
                     .segment_count = prompts.set.segments,
                     .spec = {},
                     .scale = 1,
                     .out = mixed,
                     .lse = {},
                     .relative_bias = bias_});
  const Tensor delta = delta_.rows(0, T);
  layer.out(stream, make_tensor(mixed.data, mixed.dtype, {T, H * Dh}), delta);
  return delta;
}

void T5Encoder::block(const Prompts& prompts, int layer, Stream& stream) const {
  const Layer& at = layers_[layer];
  const int64_t T = prompts.rows;
  Residual residual(stream, {{&prompts.set, 1}, {}, {}, {}, {}}, residual_.rows(0, T), normed_);
  const int site = kLayerSites * layer;
  residual.add(
      site, BranchNorm::rms(at.attention_norm.values, config_.norm_epsilon), {},
      [&](const RowSet&, const Tensor& normed) { return attend(prompts, at, normed, stream); });
  residual.add(site + 1, BranchNorm::rms(at.mlp_norm.values, config_.norm_epsilon), {},
               [&](const RowSet&, const Tensor& normed) {
                 const Tensor ffn = ffn_.rows(0, T), delta = delta_.rows(0, T);
                 at.up(stream, normed, ffn, Activation::kGeluTanh);
                 at.down(stream, ffn, delta);
                 return delta;
               });
  residual.flush();
}

void T5Encoder::finish(const Prompts& prompts, const Tensor& out, Stream& stream) const {
  add_rms_norm(stream, {.delta = {},
                        .gain = final_norm_.values,
                        .rows = {},
                        .residual = residual_.rows(0, prompts.rows),
                        .normed = out,
                        .eps = config_.norm_epsilon});
}

}  // namespace tessera
