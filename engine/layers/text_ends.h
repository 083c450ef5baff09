// The two ends of a text model, this rank's share: token references into the residual stream, and
// rows of the finished stream into logits. The table and the head are split over ranks by
// vocabulary. Memory belongs to the region given at construction; used on the engine thread,
// touches no tensor memory.
#pragma once

#include "engine/layers/activations.h"
#include "engine/layers/linear_layer.h"

namespace tessera {

class TextEnds {
 public:
  TextEnds(Region& weights, DType dtype, const ModelConfig& config, const Shard& shard,
           const Rank& rank);

  absl::Status load(const TensorFiles& files, Stream& stream) const;

  // Resolves the batch's tokens, records them as history, and returns their rows [T, D] of the
  // residual stream.
  Tensor embed(Stream& stream, const Batch& batch, const BatchMemory& memory,
               const Activations& scratch) const;

  // Logits [R', V] of rows `rows` [R'] of the finished stream.
  Tensor logits(Stream& stream, const Batch& batch, const Activations& scratch,
                const Tensor& rows) const;

 private:
  Slice vocabulary_;
  Rank rank_;
  float norm_epsilon_;
  LinearLayer embedding_;  // panel columns are tokens; also the head when tied
  LinearLayer head_;       // empty when tied
  Tensor final_gain_;      // [D] f32
  bool tied_;
};

}  // namespace tessera
