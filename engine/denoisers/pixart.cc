#include "engine/denoisers/pixart.h"

#include <string>

#include "engine/denoisers/patches.h"

namespace tessera {
namespace {

constexpr float kFinalEpsilon = 1e-6f;
constexpr int kBlockSites = 3;
constexpr int kPromptTokens = 120;
constexpr int kSizeConditions = 3;  // height and width in pixels, height / width

std::string block_name(int block) { return "transformer_blocks." + std::to_string(block) + "."; }

std::vector<std::string> block_names(int layers) {
  std::vector<std::string> names;
  for (int block = 0; block < layers; ++block) names.push_back(block_name(block));
  return names;
}

}  // namespace

PixArt::PixArt(const PixArtConfig& config, DType dtype, Region& weights)
    : config_(config),
      dtype_(dtype),
      positions_(weights, config.width()),
      patch_(patch_layer(weights, dtype, config)),
      answer_(answer_layer(weights, dtype, "proj_out", config)),
      modulation_(weights, dtype, block_names(config.layers), config.width(),
                  config.size_conditions),
      prompt_(weights, dtype, "caption_projection", config.caption_channels, config.width()) {
  facts_.conditioning = Conditioning::kPrompt;
  facts_.latent_channels = config.in_channels;
  facts_.patch = config.patch;
  facts_.width = config.width();
  facts_.modulation_width = modulation_.row_width();
  facts_.time_width = kSinusoidWidth;
  facts_.prompt_width = config.caption_channels;
  facts_.prompt_tokens_max = kPromptTokens;
  facts_.extra_conditions = config.size_conditions ? kSizeConditions : 0;
  facts_.context_layers = config.layers;
  facts_.heads = config.heads;
  facts_.head_width = config.head_width;
  for (int block = 0; block < config.layers; ++block) {
    blocks_.emplace_back(weights, dtype, block_name(block), config.heads, config.head_width,
                         config.attention_bias, /*cross=*/true);
  }
}

std::vector<DenoiserSite> PixArt::sites() const {
  std::vector<DenoiserSite> sites;
  for (int block = 0; block < config_.layers; ++block) {
    sites.push_back({.block = block, .kind = SiteKind::kSelf, .layout = RowLayout::kSpatial});
    sites.push_back({.block = block, .kind = SiteKind::kCross, .layout = RowLayout::kCross});
    sites.push_back({.block = block, .kind = SiteKind::kMlp, .layout = RowLayout::kFlat});
  }
  return sites;
}

absl::Status PixArt::check(const LatentShape& shape) const {
  return check_patches(shape, config_.patch, /*frames_max=*/1);
}

int64_t PixArt::image_tokens(const LatentShape& shape) const {
  return patch_tokens(shape, config_.patch);
}

void PixArt::allocate_scratch(Region& scratch, const DenoiserLimits& limits) {
  scratch_ = allocate_denoiser_scratch(scratch, dtype_, patch_scratch_widths(config_), limits);
  modulation_.allocate_scratch(scratch, limits);
}

absl::Status PixArt::load(const TensorFiles& files, Stream& stream) {
  absl::Status status = patch_.load(files, stream);
  status.Update(modulation_.load(files, stream));
  status.Update(prompt_.load(files, stream));
  for (const SingleBlock& block : blocks_) {
    if (status.ok()) status = block.load(files, stream);
  }
  status.Update(answer_.load(files, stream));
  return status;
}

absl::StatusOr<PositionRows> PixArt::positions(const LatentShape& shape, Stream& stream) {
  return positions_.rows(shape.height / config_.patch, shape.width / config_.patch,
                         config_.sample_size / config_.patch, config_.interpolation_scale, 1,
                         stream);
}

void PixArt::modulate(const ModulationPass& pass) const { modulation_(pass, scratch_); }

void PixArt::condition(const ConditionPass& pass) const {
  const Tensor prompt = prompt_(pass.stream, scratch_, pass.rows);
  for (size_t block = 0; block < blocks_.size(); ++block) {
    blocks_[block].store(pass.stream, scratch_, prompt, pass.kv_slots, pass.memory.pages[block]);
  }
}

void PixArt::embed(const DenoisePass& pass) const {
  embed_patches(pass, scratch_, patch_, config_.patch);
  positions_.add(pass, scratch_.residual);
}

void PixArt::blocks(const DenoisePass& pass, int first, int end) const {
  Residual residual(pass.stream, pass.batch.table(pass.memory),
                    scratch_.residual.rows(0, pass.batch.rows), scratch_.normed);
  for (int block = first; block < end; ++block) {
    residual.enter_block(block);
    blocks_[block].add(pass, scratch_, modulation_, block, config_.norm_epsilon,
                       &pass.memory.condition.pages[block], kBlockSites * block, residual);
    residual.leave_block(block);
  }
  residual.flush();
}

void PixArt::head(const DenoisePass& pass) const {
  const Tensor& rows = pass.memory.modulation;
  answer_patches(pass, scratch_, answer_,
                 BranchNorm::modulated(modulation_.final_part(rows, 1),
                                       modulation_.final_part(rows, 0), kFinalEpsilon),
                 config_.patch, config_.in_channels);
}

}  // namespace tessera
