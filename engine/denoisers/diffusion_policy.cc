#include "engine/denoisers/diffusion_policy.h"

#include "kernels/ops/position.h"

namespace tessera {
namespace {

constexpr float kEpsilon = 1e-5f;
constexpr int kLayerSites = 3;

std::string layer_name(int layer) { return "decoder.layers." + std::to_string(layer) + "."; }

// Rows `rows` of the [3D, D] that q, k and v share.
LinearPart in_projection(const std::string& name, int64_t width, Slice rows) {
  LinearPart part = whole_part(name + "in_proj", 3 * width, width);
  part.row_slice = rows;
  part.separator = '_';
  return part;
}

}  // namespace

DiffusionPolicy::DiffusionPolicy(const DiffusionPolicyConfig& config, DType dtype, Region& weights)
    : config_(config), dtype_(dtype) {
  const int64_t D = config.width;
  facts_.conditioning = Conditioning::kObservation;
  facts_.latent_channels = 1;
  facts_.width = D;
  facts_.modulation_width = 2 * D * config.layers;
  facts_.time_width = config.width;
  facts_.time = {.cosine_first = false, .shift = 1};
  facts_.prompt_width = config.observation_width;
  facts_.prompt_tokens_max = config.observation_steps;
  facts_.condition_first_key = 1;
  facts_.guided = false;
  facts_.context_layers = config.layers;
  facts_.heads = config.heads;
  facts_.head_width = config.width / config.heads;

  const auto layer = [&](const std::string& name, int64_t outputs, int64_t inputs) {
    return LinearLayer(weights, dtype, {whole_part(name, outputs, inputs)}, true);
  };
  actions_ = layer("input_emb", D, config.action_width);
  observations_ = layer("cond_obs_emb", D, config.observation_width);
  encoder_in_ = layer("encoder.0", 4 * D, D);
  encoder_out_ = layer("encoder.2", D, 4 * D);
  answer_ = layer("head", config.action_width, D);
  final_norm_ = make_norm(weights, "ln_f");
  action_positions_ = weights.allocate(DType::kF32, {config.horizon, D});
  memory_positions_ = weights.allocate(DType::kF32, {1 + config.observation_steps, D});
  time_position_ = weights.allocate(dtype, {1, D});
  time_bias_ = weights.allocate(DType::kF32, {4 * D});
  for (int index = 0; index < config.layers; ++index) {
    const std::string at = layer_name(index), self = at + "self_attn.",
                      cross = at + "multihead_attn.";
    Layer made;
    for (int norm = 0; norm < 3; ++norm) {
      made.norms[norm] = make_norm(weights, at + "norm" + std::to_string(norm + 1));
    }
    made.attention = SelfAttention(
        weights, dtype,
        {.qkv = {in_projection(self, D, {0, 3 * D})}, .out = whole_part(self + "out_proj", D, D)},
        config.heads, facts_.head_width);
    made.memory = CrossAttention(
        weights, dtype, in_projection(cross, D, {0, D}), {in_projection(cross, D, {D, 3 * D})},
        whole_part(cross + "out_proj", D, D), config.heads, facts_.head_width, /*bias=*/true);
    made.mlp =
        DenoiserMlp(weights, dtype, at + "linear1", at + "linear2", D, 4 * D, Activation::kGelu);
    layers_.push_back(std::move(made));
  }
}

DiffusionPolicy::Norm DiffusionPolicy::make_norm(Region& weights, const std::string& name) const {
  return {name, weights.allocate(DType::kF32, {config_.width}),
          weights.allocate(DType::kF32, {config_.width})};
}

std::vector<DenoiserSite> DiffusionPolicy::sites() const {
  std::vector<DenoiserSite> sites;
  for (int layer = 0; layer < config_.layers; ++layer) {
    sites.push_back({.block = layer, .kind = SiteKind::kSelf, .layout = RowLayout::kCausal});
    sites.push_back({.block = layer, .kind = SiteKind::kCross, .layout = RowLayout::kMemory});
    sites.push_back({.block = layer, .kind = SiteKind::kMlp, .layout = RowLayout::kFlat});
  }
  return sites;
}

absl::Status DiffusionPolicy::check(const LatentShape& shape) const {
  if (shape == LatentShape{1, 1, config_.horizon, config_.action_width}) return absl::OkStatus();
  return absl::InvalidArgumentError("an answer is " + std::to_string(config_.horizon) +
                                    " actions of " + std::to_string(config_.action_width) +
                                    " numbers");
}

void DiffusionPolicy::allocate_scratch(Region& scratch, const DenoiserLimits& limits) {
  scratch_ = allocate_denoiser_scratch(scratch, dtype_,
                                       {.width = config_.width,
                                        .ffn_width = 4 * int64_t{config_.width},
                                        .patch_inputs = config_.action_width,
                                        .patch_outputs = config_.action_width,
                                        .heads = config_.heads,
                                        .head_width = facts_.head_width,
                                        .embedder_width = 4 * int64_t{config_.width}},
                                       limits);
  time_memory_ = scratch.allocate(dtype_, {limits.modulation_rows, config_.width});
}

absl::Status DiffusionPolicy::load_norm(const TensorFiles& files, const Norm& norm,
                                        Stream& stream) {
  absl::Status status = load_gain(files, norm.name + ".weight", norm.gain, stream);
  status.Update(load_gain(files, norm.name + ".bias", norm.bias, stream));
  return status;
}

absl::Status DiffusionPolicy::load_positions(const TensorFiles& files, Stream& stream) const {
  const int64_t D = config_.width;
  const auto load_table = [&](const char* name, int64_t rows, const Tensor& out) {
    const auto table = files.tensor(name, {1, rows, D});
    if (!table.ok()) return table.status();
    load_vector(stream, {.source = table->bytes.data(),
                         .source_dtype = table->dtype,
                         .out = make_tensor(out.data, out.dtype, {out.elements()})});
    return absl::OkStatus();
  };
  const int64_t memory_rows = 1 + config_.observation_steps;
  absl::Status status = load_table("pos_emb", config_.horizon, action_positions_);
  status.Update(load_table("cond_pos_emb", memory_rows, memory_positions_));
  status.Update(load_table("cond_pos_emb", memory_rows, time_position_));
  return status;
}

absl::Status DiffusionPolicy::load(const TensorFiles& files, Stream& stream) {
  absl::Status status = load_positions(files, stream);
  for (const LinearLayer* const layer :
       {&actions_, &observations_, &encoder_in_, &encoder_out_, &answer_}) {
    status.Update(layer->load(files, stream));
  }
  status.Update(load_norm(files, final_norm_, stream));
  for (const Layer& layer : layers_) {
    for (const Norm& norm : layer.norms) status.Update(load_norm(files, norm, stream));
    status.Update(layer.attention.load(files, stream));
    status.Update(layer.memory.load(files, stream));
    status.Update(layer.mlp.load(files, stream));
    if (!status.ok()) return status;
  }
  encoder_in_(stream, time_position_,
              make_tensor(time_bias_.data, DType::kF32, {1, time_bias_.dim(0)}));
  stream.wait(stream.record());
  return status;
}

absl::StatusOr<PositionRows> DiffusionPolicy::positions(const LatentShape& shape, Stream&) {
  PositionRows rows;
  for (int32_t step = 0; step < shape.height; ++step) rows.a.push_back(step);
  return rows;
}

void DiffusionPolicy::modulate(const ModulationPass& pass) const {
  const int64_t n = pass.time.dim(0), D = config_.width;
  const Tensor hidden = scratch_.time_hidden.rows(0, n), memory = time_memory_.rows(0, n);
  linear(pass.stream, {.x = pass.time,
                       .w = encoder_in_.weight(),
                       .bias = time_bias_,
                       .out = hidden,
                       .activation = Activation::kMish});
  encoder_out_(pass.stream, hidden, memory);
  for (size_t layer = 0; layer < layers_.size(); ++layer) {
    layers_[layer].memory.project(pass.stream, memory,
                                  pass.out.columns(static_cast<int64_t>(layer) * 2 * D, 2 * D));
  }
}

void DiffusionPolicy::condition(const ConditionPass& pass) const {
  const int64_t n = pass.rows.dim(0), D = config_.width;
  CHECK_EQ(n, config_.observation_steps);
  const Tensor seen = scratch_.prompt_kv.rows(0, n).columns(0, D);
  const Tensor memory = scratch_.prompt.rows(0, n);
  const Tensor hidden = scratch_.prompt_hidden.rows(0, n);
  observations_(pass.stream, pass.rows, seen);
  add_layer_norm(pass.stream, {.delta = memory_positions_.rows(1, n),
                               .gate = {},
                               .row_mod = {},
                               .rows = {},
                               .gain = {},
                               .bias = {},
                               .scale = {},
                               .shift = {},
                               .residual = seen,
                               .normed = memory,
                               .eps = 0,
                               .normalise = false});
  encoder_in_(pass.stream, memory, hidden, Activation::kMish);
  encoder_out_(pass.stream, hidden, memory);
  for (size_t layer = 0; layer < layers_.size(); ++layer) {
    layers_[layer].memory.store(pass.stream, scratch_, memory, pass.kv_slots,
                                pass.memory.pages[layer]);
  }
}

// K and V of each segment's timestep to the first key of its condition.
void DiffusionPolicy::store_time(const DenoisePass& pass, int layer) const {
  const int64_t segments = static_cast<int64_t>(pass.batch.segments.size());
  const int64_t D = config_.width;
  const Tensor kv = make_tensor(scratch_.qkv.data, DType::kF32, {segments, 2 * D});
  gather_rows(pass.stream, {.in = pass.memory.modulation.columns(2 * D * layer, 2 * D),
                            .rows = pass.batch.segment_modulation,
                            .out = kv});
  store_kv(pass.stream, kv, pass.batch.first_key_slots, config_.heads, facts_.head_width,
           pass.memory.condition.pages[layer]);
}

Tensor DiffusionPolicy::actions(const DenoisePass& pass, int64_t offset) const {
  const int64_t T = config_.horizon, width = config_.action_width;
  return make_tensor(pass.memory.pool.rows(offset, T * width).data, DType::kF32, {T, width});
}

void DiffusionPolicy::embed(const DenoisePass& pass) const {
  for (const DenoiseSegment& segment : pass.batch.segments) {
    add_layer_norm(pass.stream,
                   {.delta = {},
                    .gate = {},
                    .row_mod = {},
                    .rows = {},
                    .gain = {},
                    .bias = {},
                    .scale = {},
                    .shift = {},
                    .residual = actions(pass, segment.input_offset),
                    .normed = scratch_.patches.rows(segment.row_begin, segment.row_count),
                    .eps = 0,
                    .normalise = false});
  }
  actions_(pass.stream, scratch_.patches.rows(0, pass.batch.rows),
           scratch_.residual.rows(0, pass.batch.rows));
  add_positions(pass.stream, {.table_a = action_positions_,
                              .index_a = pass.batch.position_a,
                              .table_b = {},
                              .index_b = {},
                              .rows = {},
                              .residual = scratch_.residual.rows(0, pass.batch.rows)});
}

void DiffusionPolicy::blocks(const DenoisePass& pass, int first, int end) const {
  Residual residual(pass.stream, pass.batch.table(pass.memory),
                    scratch_.residual.rows(0, pass.batch.rows), scratch_.normed);
  for (int index = first; index < end; ++index) {
    const Layer& layer = layers_[index];
    const int site = kLayerSites * index;
    const auto norm = [&layer](int which) {
      return BranchNorm::layer(layer.norms[which].gain, layer.norms[which].bias, kEpsilon);
    };
    residual.enter_block(index);
    residual.add(site, norm(0), {}, [&](const RowSet& active, const Tensor& normed) {
      return layer.attention(pass, scratch_, active, normed);
    });
    residual.add(site + 1, norm(1), {}, [&](const RowSet& active, const Tensor& normed) {
      store_time(pass, index);
      return layer.memory(pass, scratch_, active, normed, pass.memory.condition.pages[index]);
    });
    residual.add(site + 2, norm(2), {}, [&](const RowSet&, const Tensor& normed) {
      return layer.mlp(pass.stream, scratch_, normed);
    });
    residual.leave_block(index);
  }
  residual.flush();
}

void DiffusionPolicy::head(const DenoisePass& pass) const {
  const Tensor normed = scratch_.normed.rows(0, pass.batch.rows);
  add_layer_norm(pass.stream, {.delta = {},
                               .gate = {},
                               .row_mod = {},
                               .rows = {},
                               .gain = final_norm_.gain,
                               .bias = final_norm_.bias,
                               .scale = {},
                               .shift = {},
                               .residual = scratch_.residual.rows(0, pass.batch.rows),
                               .normed = normed,
                               .eps = kEpsilon,
                               .normalise = true});
  for (const DenoiseSegment& segment : pass.batch.segments) {
    answer_(pass.stream, normed.rows(segment.row_begin, segment.row_count),
            actions(pass, segment.output_offset));
  }
}

}  // namespace tessera
