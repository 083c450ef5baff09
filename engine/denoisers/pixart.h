// PixArt-alpha (Chen et al., 2023): pictures from a prompt, adaLN-single, as stored by diffusers'
// PixArtAlphaPipeline. Of its three residual branches in a block the cross-attention has neither
// norm nor gate; K and V of the prompt are made once per job.
#pragma once

#include <vector>

#include "engine/denoisers/adaln_single.h"
#include "engine/denoisers/grid_positions.h"
#include "engine/weights/diffusers/pixart_config.h"

namespace tessera {

class PixArt final : public Denoiser {
 public:
  PixArt(const PixArtConfig& config, DType dtype, Region& weights);

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
  int block_count() const override { return static_cast<int>(blocks_.size()); }
  Tensor residual() const override { return scratch_.residual; }

 private:
  const PixArtConfig config_;
  const DType dtype_;
  DenoiserFacts facts_;
  GridPositions positions_;
  LinearLayer patch_, answer_;
  SingleModulation modulation_;
  PromptProjection prompt_;
  std::vector<SingleBlock> blocks_;
  DenoiserScratch scratch_;
};

}  // namespace tessera
