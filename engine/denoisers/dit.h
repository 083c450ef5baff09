// DiT (Peebles & Xie, 2023): class-conditional, adaLN-zero in every block, as stored by diffusers'
// DiTPipeline. A modulation row is [blocks][shift, scale, gate of attention; shift, scale, gate of
// the MLP][D], then the final shift and scale.
#pragma once

#include <vector>

#include "engine/denoisers/grid_positions.h"
#include "engine/denoisers/parts.h"
#include "engine/denoisers/patches.h"
#include "engine/weights/diffusers/dit_config.h"

namespace tessera {

class Dit final : public Denoiser {
 public:
  Dit(const DitConfig& config, DType dtype, Region& weights);

  const DenoiserFacts& facts() const override { return facts_; }
  std::vector<DenoiserSite> sites() const override;
  absl::Status check(const LatentShape& shape) const override;
  int64_t image_tokens(const LatentShape& shape) const override;
  void allocate_scratch(Region& scratch, const DenoiserLimits& limits) override;
  absl::Status load(const TensorFiles& files, Stream& stream) override;
  absl::StatusOr<PositionRows> positions(const LatentShape& shape, Stream& stream) override;
  void modulate(const ModulationPass& pass) const override;
  void condition(const ConditionPass&) const override {}
  void embed(const DenoisePass& pass) const override;
  void blocks(const DenoisePass& pass, int first, int end) const override;
  void head(const DenoisePass& pass) const override;
  int block_count() const override { return static_cast<int>(blocks_.size()); }
  Tensor residual() const override { return scratch_.residual; }

 private:
  struct Block {
    LinearLayer modulation;
    SelfAttention attention;
    DenoiserMlp mlp;
  };
  // Columns of part `part` (0..5) of block `block` in the modulation.
  Tensor part(const DenoisePass& pass, int block, int part) const;

  const DitConfig config_;
  const DType dtype_;
  DenoiserFacts facts_;
  GridPositions positions_;
  LinearLayer patch_, classes_, final_modulation_, answer_;
  VectorEmbedder time_;
  std::vector<Block> blocks_;
  DenoiserScratch scratch_;
};

}  // namespace tessera
