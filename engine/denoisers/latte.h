// Latte (Ma et al., 2024): videos from a prompt, as stored by diffusers' LattePipeline. Blocks come
// in pairs: a spatial one as PixArt's, within frames, then a temporal one without cross-attention,
// over the frames of each patch. Rows are frame by frame throughout; temporal attention sees them
// through an index. A block of the Denoiser interface is a pair.
#pragma once

#include <vector>

#include "engine/denoisers/adaln_single.h"
#include "engine/denoisers/grid_positions.h"
#include "engine/weights/diffusers/latte_config.h"

namespace tessera {

class Latte final : public Denoiser {
 public:
  Latte(const LatteConfig& config, DType dtype, Region& weights);

  const DenoiserFacts& facts() const override { return facts_; }
  std::vector<DenoiserSite> sites() const override;
  absl::Status check(const LatentShape& shape) const override;
  int64_t image_tokens(const LatentShape& shape) const override;
  void allocate_scratch(Region& scratch, const DenoiserLimits& limits) override;
  absl::Status load(const TensorFiles& files, Stream& stream) override;
  absl::StatusOr<PositionRows> positions(const LatentShape& shape, Stream& stream) override;
  void modulate(const ModulationPass& pass) const override;
  void condition(const ConditionPass& pass) const override;
  void embed(const DenoisePass& pass) const override;
  void blocks(const DenoisePass& pass, int first, int end) const override;
  void head(const DenoisePass& pass) const override;
  int block_count() const override { return static_cast<int>(spatial_.size()); }
  Tensor residual() const override { return scratch_.residual; }

 private:
  const LatteConfig config_;
  const DType dtype_;
  DenoiserFacts facts_;
  GridPositions positions_;
  Tensor frame_positions_;  // [frames + 1, D] f32; the last row is zeros
  LinearLayer patch_, answer_;
  SingleModulation modulation_;  // all spatial blocks, then all temporal ones
  PromptProjection prompt_;
  std::vector<SingleBlock> spatial_, temporal_;
  DenoiserScratch scratch_;
};

}  // namespace tessera
