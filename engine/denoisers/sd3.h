// The MM-DiT of Stable Diffusion 3 and 3.5 (Esser et al., 2024), as stored by diffusers'
// StableDiffusion3Pipeline: picture and prompt are two streams with weights of their own that meet
// in every block's attention. Keys are the picture's, then the prompt's. Some blocks attend once
// more over the picture alone, from the same rows; the last block writes no prompt any more.
//
// A modulation row holds for every block the picture's parts, then the prompt's: each shift, scale,
// gate of attention; of the MLP; of the second attention where there is one. The last block has
// scale and shift for the prompt. At the end stand the final scale and shift.
#pragma once

#include <string>
#include <vector>

#include "engine/branch/residual.h"
#include "engine/denoisers/parts.h"
#include "engine/weights/diffusers/sd3_config.h"

namespace tessera {

class Sd3 final : public Denoiser {
 public:
  Sd3(const Sd3Config& config, DType dtype, Region& weights);

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
  struct Block {
    LinearLayer modulation, context_modulation;
    SelfAttention attention, context_attention, second_attention;
    DenoiserMlp mlp, context_mlp;
    bool dual = false, last = false;
    int first_site = 0;
    int64_t column = 0, context_column = 0;  // of the modulation
  };
  // Both streams of one step.
  struct Streams {
    Residual& image;
    Residual& context;
    const DenoiserScratch& context_scratch;
  };

  Block make_block(Region& weights, int index, int first_site, int64_t column) const;
  absl::Status load_block(const TensorFiles& files, const Block& block, int index,
                          Stream& stream) const;
  Tensor part(const DenoisePass& pass, int64_t column, int part) const;
  BranchNorm norm(const DenoisePass& pass, int64_t column, int shift) const;
  void attend(const DenoisePass& pass, const Block& block, const Streams& streams) const;

  const Sd3Config config_;
  const DType dtype_;
  DenoiserFacts facts_;
  LinearLayer patch_, answer_, context_, final_modulation_;
  VectorEmbedder time_, pooled_;
  std::vector<Block> blocks_;
  Tensor position_table_;  // [position_size^2, D] f32
  int64_t final_column_ = 0;
  DenoiserScratch scratch_;
  Tensor second_delta_;  // [T, D] f32, or empty
};

}  // namespace tessera
