// The diffusion policy transformer (Chi et al., 2023): a robot's coming actions from what it saw.
// Actions attend to earlier actions, and to the timestep and the observations up to one step ahead.
// Latents are actions as rows, [1][1][horizon][action width], in the units of the network.
//
// Every memory row passes the encoder by itself, so observations give K and V once per action, from
// key 1 on; key 0 is the timestep's, and its K and V in every layer are what a modulation row
// holds: [layers][K, V][D].
#pragma once

#include <string>
#include <vector>

#include "engine/branch/residual.h"
#include "engine/denoisers/parts.h"
#include "engine/weights/diffusers/diffusion_policy_config.h"

namespace tessera {

class DiffusionPolicy final : public Denoiser {
 public:
  DiffusionPolicy(const DiffusionPolicyConfig& config, DType dtype, Region& weights);

  const DenoiserFacts& facts() const override { return facts_; }
  std::vector<DenoiserSite> sites() const override;
  absl::Status check(const LatentShape& shape) const override;
  int64_t image_tokens(const LatentShape& shape) const override { return shape.height; }
  void allocate_scratch(Region& scratch, const DenoiserLimits& limits) override;
  absl::Status load(const TensorFiles& files, Stream& stream) override;
  absl::StatusOr<PositionRows> positions(const LatentShape& shape, Stream& stream) override;
  void modulate(const ModulationPass& pass) const override;
  void condition(const ConditionPass& pass) const override;
  void embed(const DenoisePass& pass) const override;
  void blocks(const DenoisePass& pass, int first, int end) const override;
  void head(const DenoisePass& pass) const override;
  int block_count() const override { return static_cast<int>(layers_.size()); }
  Tensor residual() const override { return scratch_.residual; }

 private:
  struct Norm {
    std::string name;
    Tensor gain, bias;  // [D] f32
  };
  struct Layer {
    Norm norms[3];
    SelfAttention attention;
    CrossAttention memory;
    DenoiserMlp mlp;
  };

  Norm make_norm(Region& weights, const std::string& name) const;
  static absl::Status load_norm(const TensorFiles& files, const Norm& norm, Stream& stream);
  absl::Status load_positions(const TensorFiles& files, Stream& stream) const;
  void store_time(const DenoisePass& pass, int layer) const;
  // [T, Da] f32 of the pool.
  Tensor actions(const DenoisePass& pass, int64_t offset) const;

  const DiffusionPolicyConfig config_;
  const DType dtype_;
  DenoiserFacts facts_;
  LinearLayer actions_, observations_, encoder_in_, encoder_out_, answer_;
  Norm final_norm_;
  std::vector<Layer> layers_;
  Tensor action_positions_;  // [T, D] f32
  Tensor memory_positions_;  // [1 + To, D] f32
  Tensor time_position_;     // [1, D] weights' type: the first of them
  Tensor time_bias_;    // [4D] f32: the encoder's first bias and what it makes of that position
  Tensor time_memory_;  // [n, D] weights' type
  DenoiserScratch scratch_;
};

}  // namespace tessera
