#include "engine/denoisers/latte.h"

#include <string>

#include "engine/denoisers/patches.h"
#include "kernels/ops/position.h"

namespace tessera {
namespace {

constexpr float kFinalEpsilon = 1e-6f;
constexpr int kSpatialSites = 3, kPairSites = 5;
constexpr int kPromptTokens = 120;

std::string spatial_name(int block) { return "transformer_blocks." + std::to_string(block) + "."; }

std::string temporal_name(int block) {
  return "temporal_transformer_blocks." + std::to_string(block) + ".";
}

std::vector<std::string> block_names(int layers) {
  std::vector<std::string> names;
  for (int block = 0; block < layers; ++block) names.push_back(spatial_name(block));
  for (int block = 0; block < layers; ++block) names.push_back(temporal_name(block));
  return names;
}

}  // namespace

Latte::Latte(const LatteConfig& config, DType dtype, Region& weights)
    : config_(config),
      dtype_(dtype),
      positions_(weights, config.width()),
      frame_positions_(weights.allocate(DType::kF32, {config.frames + 1, config.width()})),
      patch_(patch_layer(weights, dtype, config)),
      answer_(answer_layer(weights, dtype, "proj_out", config)),
      modulation_(weights, dtype, block_names(config.layers), config.width(), /*sizes=*/false),
      prompt_(weights, dtype, "caption_projection", config.caption_channels, config.width()) {
  facts_.conditioning = Conditioning::kPrompt;
  facts_.latent_channels = config.in_channels;
  facts_.patch = config.patch;
  facts_.video = true;
  facts_.width = config.width();
  facts_.modulation_width = modulation_.row_width();
  facts_.time_width = kSinusoidWidth;
  facts_.prompt_width = config.caption_channels;
  facts_.prompt_tokens_max = kPromptTokens;
  facts_.context_layers = config.layers;
  facts_.heads = config.heads;
  facts_.head_width = config.head_width;
  for (int block = 0; block < config.layers; ++block) {
    spatial_.emplace_back(weights, dtype, spatial_name(block), config.heads, config.head_width,
                          config.attention_bias, /*cross=*/true);
    temporal_.emplace_back(weights, dtype, temporal_name(block), config.heads, config.head_width,
                           config.attention_bias, /*cross=*/false);
  }
}

std::vector<DenoiserSite> Latte::sites() const {
  std::vector<DenoiserSite> sites;
  for (int block = 0; block < config_.layers; ++block) {
    sites.push_back({.block = block, .kind = SiteKind::kSelf, .layout = RowLayout::kSpatial});
    sites.push_back({.block = block, .kind = SiteKind::kCross, .layout = RowLayout::kCross});
    sites.push_back({.block = block, .kind = SiteKind::kMlp, .layout = RowLayout::kFlat});
    sites.push_back({.block = block, .kind = SiteKind::kTemporal, .layout = RowLayout::kTemporal});
    sites.push_back({.block = block, .kind = SiteKind::kMlp, .layout = RowLayout::kFlat});
  }
  return sites;
}

absl::Status Latte::check(const LatentShape& shape) const {
  return check_patches(shape, config_.patch, config_.frames);
}

int64_t Latte::image_tokens(const LatentShape& shape) const {
  return patch_tokens(shape, config_.patch);
}

void Latte::allocate_scratch(Region& scratch, const DenoiserLimits& limits) {
  scratch_ = allocate_denoiser_scratch(scratch, dtype_, patch_scratch_widths(config_), limits);
  modulation_.allocate_scratch(scratch, limits);
}

absl::Status Latte::load(const TensorFiles& files, Stream& stream) {
  for (int frame = 0; frame < config_.frames; ++frame) {
    const std::vector<float> row = sine_cosine_row(frame, config_.width());
    stream.upload(frame_positions_.rows(frame, 1), std::span<const float>(row));
  }
  absl::Status status = patch_.load(files, stream);
  status.Update(modulation_.load(files, stream));
  status.Update(prompt_.load(files, stream));
  for (size_t block = 0; block < spatial_.size(); ++block) {
    if (status.ok()) status = spatial_[block].load(files, stream);
    if (status.ok()) status = temporal_[block].load(files, stream);
  }
  status.Update(answer_.load(files, stream));
  return status;
}

absl::StatusOr<PositionRows> Latte::positions(const LatentShape& shape, Stream& stream) {
  const int height = shape.height / config_.patch, width = shape.width / config_.patch;
  absl::StatusOr<PositionRows> rows =
      positions_.rows(height, width, config_.sample_size / config_.patch,
                      config_.interpolation_scale, shape.frames, stream);
  if (!rows.ok()) return rows.status();
  rows->no_late = config_.frames;
  for (int frame = 0; frame < shape.frames; ++frame) {
    // A picture has no place in time.
    rows->late.insert(rows->late.end(), height * width, shape.frames > 1 ? frame : rows->no_late);
  }
  return rows;
}

void Latte::modulate(const ModulationPass& pass) const { modulation_(pass, scratch_); }

void Latte::condition(const ConditionPass& pass) const {
  const Tensor prompt = prompt_(pass.stream, scratch_, pass.rows);
  for (size_t block = 0; block < spatial_.size(); ++block) {
    spatial_[block].store(pass.stream, scratch_, prompt, pass.kv_slots, pass.memory.pages[block]);
  }
}

void Latte::embed(const DenoisePass& pass) const {
  embed_patches(pass, scratch_, patch_, config_.patch);
  positions_.add(pass, scratch_.residual);
}

void Latte::blocks(const DenoisePass& pass, int first, int end) const {
  const Tensor rows = scratch_.residual.rows(0, pass.batch.rows);
  Residual residual(pass.stream, pass.batch.table(pass.memory), rows, scratch_.normed);
  for (int block = first; block < end; ++block) {
    const int site = kPairSites * block;
    residual.enter_block(block);
    spatial_[block].add(pass, scratch_, modulation_, block, config_.norm_epsilon,
                        &pass.memory.condition.pages[block], site, residual);
    if (block == 0) {
      residual.flush();
      add_positions(pass.stream, {.table_a = frame_positions_,
                                  .index_a = pass.batch.position_late,
                                  .table_b = {},
                                  .index_b = {},
                                  .rows = {},
                                  .residual = rows});
    }
    temporal_[block].add(pass, scratch_, modulation_, config_.layers + block, config_.norm_epsilon,
                         nullptr, site + kSpatialSites, residual);
    residual.leave_block(block);
  }
  residual.flush();
}

void Latte::head(const DenoisePass& pass) const {
  const Tensor& rows = pass.memory.modulation;
  answer_patches(pass, scratch_, answer_,
                 BranchNorm::modulated(modulation_.final_part(rows, 1),
                                       modulation_.final_part(rows, 0), kFinalEpsilon),
                 config_.patch, config_.in_channels);
}

}  // namespace tessera
