#include "engine/models/decoder.h"

#include <cmath>
#include <string>

#include "engine/branch/residual.h"
#include "kernels/ops/embedding.h"

namespace tessera {
namespace {

Slice whole(int64_t size) { return {0, size}; }

Slice head_columns(const Slice& heads, int64_t head_width) {
  return {heads.begin * head_width, heads.end * head_width};
}

}  // namespace

DecoderModel::DecoderModel(const ModelShape& shape, Region& weights)
    : config_(*shape.config),
      shard_(shape.shard),
      rank_(shape.rank),
      positions_max_(shape.positions_max) {
  const ModelConfig& c = config_;
  const int64_t D = c.width, F = c.ffn_width, Dh = c.head_width;
  const DType dtype = shape.dtype;
  const Slice q_rows = head_columns(shard_.heads, Dh), kv_rows = head_columns(shard_.kv_heads, Dh);
  // A bias of a layer whose outputs are summed over ranks is added by the first rank alone.
  const bool first = rank_.index == 0;
  for (int layer = 0; layer < c.layers; ++layer) {
    const std::string at = "model.layers." + std::to_string(layer) + ".";
    Block block;
    block.attention_gain = weights.allocate(DType::kF32, {D});
    block.mlp_gain = weights.allocate(DType::kF32, {D});
    if (c.qk_norm) {
      block.q_gain = weights.allocate(DType::kF32, {Dh});
      block.k_gain = weights.allocate(DType::kF32, {Dh});
    }
    block.qkv = LinearLayer(weights, dtype,
                            {{at + "self_attn.q_proj", c.heads * Dh, D, q_rows, whole(D)},
                             {at + "self_attn.k_proj", c.kv_heads * Dh, D, kv_rows, whole(D)},
                             {at + "self_attn.v_proj", c.kv_heads * Dh, D, kv_rows, whole(D)}},
                            c.attention_bias);
    block.out =
        LinearLayer(weights, dtype, {{at + "self_attn.o_proj", D, c.heads * Dh, whole(D), q_rows}},
                    c.attention_output_bias && first);
    block.gate_up = LinearLayer(weights, dtype,
                                {{at + "mlp.gate_proj", F, D, shard_.ffn, whole(D)},
                                 {at + "mlp.up_proj", F, D, shard_.ffn, whole(D)}},
                                c.mlp_bias);
    block.down = LinearLayer(weights, dtype, {{at + "mlp.down_proj", D, F, whole(D), shard_.ffn}},
                             c.mlp_bias && first);
    blocks_.push_back(std::move(block));
  }
  embedding_ =
      LinearLayer(weights, dtype,
                  {{"model.embed_tokens", c.vocab_size, D, shard_.vocabulary, whole(D)}}, false);
  if (!c.tied_embeddings) {
    head_ = LinearLayer(weights, dtype, {{"lm_head", c.vocab_size, D, shard_.vocabulary, whole(D)}},
                        false);
  }
  final_gain_ = weights.allocate(DType::kF32, {D});
  rotation_ = weights.allocate(DType::kF32, {positions_max_, 2, Dh / 2});
}

absl::Status DecoderModel::load(const ModelFolder& folder, Stream& stream) {
  const TensorFiles& files = folder.tensors();
  for (size_t layer = 0; layer < blocks_.size(); ++layer) {
    const Block& block = blocks_[layer];
    const std::string at = "model.layers." + std::to_string(layer) + ".";
    absl::Status status =
        load_gain(files, at + "input_layernorm.weight", block.attention_gain, stream);
    status.Update(load_gain(files, at + "post_attention_layernorm.weight", block.mlp_gain, stream));
    if (config_.qk_norm) {
      status.Update(load_gain(files, at + "self_attn.q_norm.weight", block.q_gain, stream));
      status.Update(load_gain(files, at + "self_attn.k_norm.weight", block.k_gain, stream));
    }
    for (const LinearLayer* linear : {&block.qkv, &block.out, &block.gate_up, &block.down}) {
      status.Update(linear->load(files, stream));
    }
    if (!status.ok()) return status;
    // The mapped pages of a packed layer are let go at once, so that at most one is resident twice.
    stream.wait(stream.record());
    release_packed(files, layer);
  }
  absl::Status status = embedding_.load(files, stream);
  if (!config_.tied_embeddings) status.Update(head_.load(files, stream));
  status.Update(load_gain(files, "model.norm.weight", final_gain_, stream));
  status.Update(load_rotation(stream));
  return status;
}

void DecoderModel::release_packed(const TensorFiles& files, size_t layer) const {
  // Ranks load one after the other; the last one is through with the file's pages.
  if (rank_.index != rank_.count - 1) return;
  const Block& block = blocks_[layer];
  for (const LinearLayer* linear : {&block.qkv, &block.out, &block.gate_up, &block.down}) {
    linear->release(files);
  }
}

absl::Status DecoderModel::load_rotation(Stream& stream) {
  const int64_t half = config_.head_width / 2;
  const std::vector<double> frequencies =
      rope_inverse_frequencies(config_.rope, config_.head_width);
  const float scale = static_cast<float>(rope_attention_scale(config_.rope));
  std::vector<float> table(2 * half);
  for (int64_t position = 0; position < positions_max_; ++position) {
    for (int64_t pair = 0; pair < half; ++pair) {
      // Angles are f32 products in the reference implementation; at long positions that shows.
      const float angle = static_cast<float>(position) * static_cast<float>(frequencies[pair]);
      table[pair] = std::cos(angle) * scale;
      table[half + pair] = std::sin(angle) * scale;
    }
    stream.upload(rotation_.rows(position, 1), std::span<const float>(table));
  }
  return absl::OkStatus();
}

std::vector<Site> DecoderModel::sites() const {
  std::vector<Site> sites;
  for (int layer = 0; layer < config_.layers; ++layer) {
    sites.push_back({layer, Part::kAttention});
    sites.push_back({layer, Part::kMlp});
  }
  return sites;
}

void DecoderModel::forward(const Pass& pass) const {
  const int64_t T = pass.batch.rows;
  const Tensor tokens = pass.memory.tokens.rows(0, pass.batch.references.dim(0));
  resolve_tokens(pass.stream, {.references = pass.batch.references,
                               .slots = pass.batch.slots,
                               .positions = pass.batch.positions,
                               .last_tokens = pass.memory.last_tokens,
                               .history = pass.memory.history,
                               .tokens = tokens});
  const Tensor rows = pass.scratch.residual.rows(0, T);
  embed(pass.stream, {.tokens = tokens.rows(0, T),
                      .table = embedding_.weight(),
                      .first = shard_.vocabulary.begin,
                      .residual = rows});
  summed_over_ranks(pass, rows);
  Residual residual(pass.stream, pass.batch, rows, pass.scratch.normed, config_.norm_epsilon);
  for (int layer = 0; layer < config_.layers; ++layer) {
    residual.add(2 * layer, blocks_[layer].attention_gain,
                 [&](const RowSet& active, const Tensor& normed) {
                   return attend(pass, active, layer, normed);
                 });
    residual.add(2 * layer + 1, blocks_[layer].mlp_gain,
                 [&](const RowSet& active, const Tensor& normed) {
                   return feed_forward(pass, active, layer, normed);
                 });
  }
  residual.flush();
}

Tensor DecoderModel::attend(const Pass& pass, const RowSet& active, int layer,
                            const Tensor& normed) const {
  const Block& block = blocks_[layer];
  const int64_t T = active.rows, H = shard_.heads.size(), Hkv = shard_.kv_heads.size();
  const int64_t Dh = config_.head_width;
  const int group = pass.group_of_layer[layer];
  const KvLayer& kv = pass.kv[layer];
  const Tensor qkv = pass.scratch.qkv.rows(0, T);
  block.qkv(pass.stream, normed, qkv);
  const Tensor q = pass.scratch.q.rows(0, T);
  rope_and_store(pass.stream, {.qkv = qkv,
                               .positions = active.positions,
                               .cos_sin = rotation_,
                               .q_gain = block.q_gain,
                               .k_gain = block.k_gain,
                               .norm_eps = config_.norm_epsilon,
                               .slots = active.groups[group].kv_slots,
                               .H = static_cast<int>(H),
                               .Hkv = static_cast<int>(Hkv),
                               .Dh = static_cast<int>(Dh),
                               .q = q,
                               .k_pages = kv.k_pages,
                               .v_pages = kv.v_pages});
  const Tensor mixed = pass.scratch.mixed.rows(0, T);
  attention(pass.stream, {.q = q,
                          .k_pages = kv.k_pages,
                          .v_pages = kv.v_pages,
                          .segments = active.groups[group].segments,
                          .positions = active.positions,
                          .pages = pass.batch.groups[group].pages,
                          .tails = pass.batch.groups[group].tails,
                          .segment_count = active.segments,
                          .spec = pass.groups[group],
                          .scale = 1.0f / std::sqrt(static_cast<float>(Dh)),
                          .out = mixed,
                          .lse = {}});
  const Tensor delta = pass.scratch.delta.rows(0, T);
  block.out(pass.stream, make_tensor(mixed.data, mixed.dtype, {T, H * Dh}), delta);
  return summed_over_ranks(pass, delta);
}

Tensor DecoderModel::feed_forward(const Pass& pass, const RowSet& active, int layer,
                                  const Tensor& normed) const {
  const Block& block = blocks_[layer];
  const Tensor gate_up = pass.scratch.gate_up.rows(0, active.rows);
  const Tensor ffn = pass.scratch.ffn.rows(0, active.rows);
  const Tensor delta = pass.scratch.delta.rows(0, active.rows);
  block.gate_up(pass.stream, normed, gate_up);
  swiglu(pass.stream, {.gate_up = gate_up, .out = ffn});
  block.down(pass.stream, ffn, delta);
  return summed_over_ranks(pass, delta);
}

Tensor DecoderModel::summed_over_ranks(const Pass& pass, const Tensor& delta) const {
  if (rank_.count > 1) {
    all_reduce(pass.stream, {.meeting = rank_.meeting, .rank = rank_.index, .data = delta});
  }
  return delta;
}

Tensor DecoderModel::logits(const Pass& pass, const Tensor& rows) const {
  const int64_t R = rows.dim(0);
  const Tensor normed = pass.scratch.normed.rows(0, R);
  add_rms_norm(pass.stream, {.delta = {},
                             .gain = final_gain_,
                             .rows = rows,
                             .residual = pass.scratch.residual.rows(0, pass.batch.rows),
                             .normed = normed,
                             .eps = config_.norm_epsilon});
  const LinearLayer& head = config_.tied_embeddings ? embedding_ : head_;
  const Tensor logits = pass.scratch.logits.rows(0, R);
  if (rank_.count == 1) {
    head(pass.stream, normed, logits);
    return logits;
  }
  const Tensor part = pass.scratch.logits_part.rows(0, R);
  head(pass.stream, normed, part.columns(0, shard_.vocabulary.size()));
  all_gather(pass.stream,
             {.meeting = rank_.meeting, .rank = rank_.index, .data = part, .out = logits});
  return logits;
}

}  // namespace tessera
