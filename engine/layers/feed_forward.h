// The SwiGLU feed-forward branch of one block, this rank's share: gate and up in one product, then
// down, summed over ranks. Memory belongs to the region given at construction; used on the engine
// thread, touches no tensor memory.
#pragma once

#include <string>

#include "engine/layers/activations.h"
#include "engine/layers/linear_layer.h"

namespace tessera {

class FeedForward {
 public:
  FeedForward() = default;
  // Tensors are `name`.gate_proj, .up_proj and .down_proj.
  FeedForward(Region& weights, DType dtype, const std::string& name, const ModelConfig& config,
              const Shard& shard, const Rank& rank);

  absl::Status load(const TensorFiles& files, Stream& stream) const;
  void release(const TensorFiles& files) const;

  // The branch's output [T', D] of normalised rows [T', D], in scratch.delta.
  Tensor operator()(Stream& stream, const Activations& scratch, const Tensor& normed) const;

 private:
  Rank rank_;
  LinearLayer gate_up_, down_;
};

}  // namespace tessera
