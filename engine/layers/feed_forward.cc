#include "engine/layers/feed_forward.h"

namespace tessera {

FeedForward::FeedForward(Region& weights, DType dtype, const std::string& name,
                         const ModelConfig& config, const Shard& shard, const Rank& rank)
    : rank_(rank) {
  const int64_t D = config.width, F = config.ffn_width;
  const Slice whole{0, D};
  gate_up_ = LinearLayer::gated(weights, dtype, {name + ".gate_proj", F, D, shard.ffn, whole},
                                {name + ".up_proj", F, D, shard.ffn, whole}, config.mlp_bias);
  // A bias of a layer whose outputs are summed over ranks is added by the first rank alone.
  down_ = LinearLayer(weights, dtype, {{name + ".down_proj", D, F, whole, shard.ffn}},
                      config.mlp_bias && rank.index == 0);
}

absl::Status FeedForward::load(const TensorFiles& files, Stream& stream) const {
  absl::Status status = gate_up_.load(files, stream);
  status.Update(down_.load(files, stream));
  return status;
}

void FeedForward::release(const TensorFiles& files) const {
  gate_up_.release(files);
  down_.release(files);
}

Tensor FeedForward::operator()(Stream& stream, const Activations& scratch,
                               const Tensor& normed) const {
  const int64_t T = normed.dim(0);
  const Tensor ffn = scratch.ffn.rows(0, T), delta = scratch.delta.rows(0, T);
  gate_up_(stream, normed, ffn, Activation::kSilu);
  down_(stream, ffn, delta);
  return sum_over_ranks(stream, rank_, delta);
}

}  // namespace tessera
