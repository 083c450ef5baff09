#include "engine/models/decoder.h"

#include <cmath>
#include <string>

#include "engine/branch/residual.h"

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
      positions_max_(shape.positions_max),
      ends_(weights, shape.dtype, *shape.config, shape.shard, shape.rank) {
  const ModelConfig& c = config_;
  const int64_t D = c.width, Dh = c.head_width;
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
    block.feed_forward = FeedForward(weights, dtype, at + "mlp", c, shard_, rank_);
    blocks_.push_back(std::move(block));
  }
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
    status.Update(block.qkv.load(files, stream));
    status.Update(block.out.load(files, stream));
    status.Update(block.feed_forward.load(files, stream));
    if (!status.ok()) return status;
    // The mapped pages of a packed layer are let go at once, so that at most one is resident twice.
    stream.wait(stream.record());
    release_packed(files, layer);
  }
  absl::Status status = ends_.load(files, stream);
  status.Update(load_rotation(stream));
  return status;
}

void DecoderModel::release_packed(const TensorFiles& files, size_t layer) const {
  // Ranks load one after the other; the last one is through with the file's pages.
  if (rank_.index != rank_.count - 1) return;
  const Block& block = blocks_[layer];
  block.qkv.release(files);
  block.out.release(files);
  block.feed_forward.release(files);
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
    sites.push_back({layer, Part::kMixer});
    sites.push_back({layer, Part::kMlp});
  }
  return sites;
}

void DecoderModel::forward(const Pass& pass) const {
  const Tensor rows = ends_.embed(pass.stream, pass.batch, pass.memory, pass.scratch);
  Residual residual(pass.stream, pass.batch, rows, pass.scratch.normed, config_.norm_epsilon);
  for (int layer = 0; layer < config_.layers; ++layer) {
    residual.add(2 * layer, blocks_[layer].attention_gain,
                 [&](const RowSet& active, const Tensor& normed) {
                   return attend(pass, active, layer, normed);
                 });
    residual.add(2 * layer + 1, blocks_[layer].mlp_gain, [&](const RowSet&, const Tensor& normed) {
      return blocks_[layer].feed_forward(pass.stream, pass.scratch, normed);
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
  return sum_over_ranks(pass.stream, rank_, delta);
}

Tensor DecoderModel::logits(const Pass& pass, const Tensor& rows) const {
  return ends_.logits(pass.stream, pass.batch, pass.scratch, rows);
}

}  // namespace tessera
