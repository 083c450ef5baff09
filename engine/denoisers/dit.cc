#include "engine/denoisers/dit.h"

#include <string>

#include "kernels/ops/embedding.h"

namespace tessera {
namespace {

constexpr float kEpsilon = 1e-6f;  // of the first and the last norm; the second's is in the config
constexpr int kParts = 6;

std::string block_name(int block) { return "transformer_blocks." + std::to_string(block) + "."; }

}  // namespace

Dit::Dit(const DitConfig& config, DType dtype, Region& weights)
    : config_(config),
      dtype_(dtype),
      positions_(weights, config.width()),
      patch_(patch_layer(weights, dtype, config)) {
  const int64_t D = config.width();
  facts_.conditioning = Conditioning::kClass;
  facts_.latent_channels = config.in_channels;
  facts_.patch = config.patch;
  facts_.width = D;
  facts_.modulation_width = (kParts * config.layers + 2) * D;
  facts_.time_width = kSinusoidWidth;
  facts_.time = {.cosine_first = true, .shift = 1};
  facts_.classes = config.classes;
  facts_.heads = config.heads;
  facts_.head_width = config.head_width;

  // Every block carries the same embedders; the folder was checked for that.
  const std::string embedders = block_name(0) + "norm1.emb.";
  time_ = VectorEmbedder(weights, dtype, embedders + "timestep_embedder", kSinusoidWidth, D);
  classes_ = LinearLayer(
      weights, dtype,
      {whole_part(embedders + "class_embedder.embedding_table", config.classes + 1, D)}, false);
  for (int index = 0; index < config.layers; ++index) {
    const std::string at = block_name(index);
    Block block;
    block.modulation =
        LinearLayer(weights, dtype, {whole_part(at + "norm1.linear", kParts * D, D)}, true);
    block.attention = SelfAttention(
        weights, dtype,
        {at + "attn1.to_q", at + "attn1.to_k", at + "attn1.to_v", at + "attn1.to_out.0"},
        config.heads, config.head_width, config.attention_bias);
    block.mlp = DenoiserMlp(weights, dtype, at + "ff.net.0.proj", at + "ff.net.2", D, 4 * D,
                            Activation::kGeluTanh);
    blocks_.push_back(std::move(block));
  }
  final_modulation_ = LinearLayer(weights, dtype, {whole_part("proj_out_1", 2 * D, D)}, true);
  answer_ = answer_layer(weights, dtype, "proj_out_2", config);
}

std::vector<DenoiserSite> Dit::sites() const {
  std::vector<DenoiserSite> sites;
  for (int block = 0; block < config_.layers; ++block) {
    sites.push_back({.block = block, .kind = SiteKind::kSelf, .layout = RowLayout::kSpatial});
    sites.push_back({.block = block, .kind = SiteKind::kMlp, .layout = RowLayout::kFlat});
  }
  return sites;
}

absl::Status Dit::check(const LatentShape& shape) const {
  return check_patches(shape, config_.patch, /*frames_max=*/1);
}

int64_t Dit::image_tokens(const LatentShape& shape) const {
  return patch_tokens(shape, config_.patch);
}

void Dit::allocate_scratch(Region& scratch, const DenoiserLimits& limits) {
  scratch_ = allocate_denoiser_scratch(scratch, dtype_, patch_scratch_widths(config_), limits);
}

absl::Status Dit::load(const TensorFiles& files, Stream& stream) {
  absl::Status status = patch_.load(files, stream);
  status.Update(time_.load(files, stream));
  status.Update(classes_.load(files, stream));
  for (const Block& block : blocks_) {
    status.Update(block.modulation.load(files, stream));
    status.Update(block.attention.load(files, stream));
    status.Update(block.mlp.load(files, stream));
    if (!status.ok()) return status;
    stream.wait(stream.record());
  }
  status.Update(final_modulation_.load(files, stream));
  status.Update(answer_.load(files, stream));
  return status;
}

absl::StatusOr<PositionRows> Dit::positions(const LatentShape& shape, Stream& stream) {
  const int height = shape.height / config_.patch, width = shape.width / config_.patch;
  return positions_.rows(height, width, config_.sample_size / config_.patch, 1, 1, stream);
}

void Dit::modulate(const ModulationPass& pass) const {
  const int64_t n = pass.time.dim(0), D = config_.width();
  const Tensor sum = scratch_.condition.rows(0, n), narrow = scratch_.time_hidden.rows(0, n);
  const Tensor time = pass.out.columns(0, D);  // until the columns get what they are for
  time_(pass.stream, scratch_, pass.time, time);
  tessera::embed(pass.stream, {.tokens = pass.labels, .table = classes_.weight(), .residual = sum});
  add_rows(pass.stream, {.delta = time, .rows = {}, .residual = sum});
  activate(pass.stream, {.in = sum, .kind = Activation::kSilu, .out = narrow});
  for (size_t block = 0; block < blocks_.size(); ++block) {
    blocks_[block].modulation(
        pass.stream, narrow,
        pass.out.columns(static_cast<int64_t>(block) * kParts * D, kParts * D));
  }
  final_modulation_(pass.stream, narrow, pass.out.columns(kParts * D * config_.layers, 2 * D));
}

Tensor Dit::part(const DenoisePass& pass, int block, int part) const {
  const int64_t D = config_.width();
  return pass.memory.modulation.columns((int64_t{kParts} * block + part) * D, D);
}

void Dit::embed(const DenoisePass& pass) const {
  embed_patches(pass, scratch_, patch_, config_.patch);
  positions_.add(pass, scratch_.residual);
}

void Dit::blocks(const DenoisePass& pass, int first, int end) const {
  Residual residual(pass.stream, pass.batch.table(pass.memory),
                    scratch_.residual.rows(0, pass.batch.rows), scratch_.normed);
  for (int block = first; block < end; ++block) {
    residual.enter_block(block);
    residual.add(2 * block,
                 BranchNorm::modulated(part(pass, block, 1), part(pass, block, 0), kEpsilon),
                 part(pass, block, 2), [&](const RowSet& active, const Tensor& normed) {
                   return blocks_[block].attention(pass, scratch_, active, normed);
                 });
    residual.add(
        2 * block + 1,
        BranchNorm::modulated(part(pass, block, 4), part(pass, block, 3), config_.norm_epsilon),
        part(pass, block, 5), [&](const RowSet&, const Tensor& normed) {
          return blocks_[block].mlp(pass.stream, scratch_, normed);
        });
    residual.leave_block(block);
  }
  residual.flush();
}

void Dit::head(const DenoisePass& pass) const {
  const int64_t D = config_.width(), column = kParts * D * config_.layers;
  answer_patches(pass, scratch_, answer_,
                 BranchNorm::modulated(pass.memory.modulation.columns(column + D, D),
                                       pass.memory.modulation.columns(column, D), kEpsilon),
                 config_.patch, config_.in_channels);
}

}  // namespace tessera
