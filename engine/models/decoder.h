// The decoder-only transformer that Llama, Mistral, Qwen2 and Qwen3 share: pre-norm blocks of
// grouped query attention with rotary positions and a SwiGLU ffn. What differs between families is
// in ModelConfig (biases, head norms, windows, widths); their files only name it.
#pragma once

#include "engine/layers/feed_forward.h"
#include "engine/layers/linear_layer.h"
#include "engine/layers/text_ends.h"
#include "engine/models/model.h"

namespace tessera {

class DecoderModel final : public Model {
 public:
  DecoderModel(const ModelShape& shape, Region& weights);

  absl::Status load(const ModelFolder& folder, Stream& stream) override;
  std::vector<Site> sites() const override;
  void forward(const Pass& pass) const override;
  Tensor logits(const Pass& pass, const Tensor& rows) const override;

 private:
  struct Block {
    Tensor attention_gain, mlp_gain;  // [D] f32
    Tensor q_gain, k_gain;            // [Dh] f32 or empty
    LinearLayer qkv, out;
    FeedForward feed_forward;
  };

  Tensor attend(const Pass& pass, const RowSet& active, int layer, const Tensor& normed) const;
  void release_packed(const TensorFiles& files, size_t layer) const;
  absl::Status load_rotation(Stream& stream);

  ModelConfig config_;
  Shard shard_;
  Rank rank_;
  int64_t positions_max_;
  std::vector<Block> blocks_;
  TextEnds ends_;
  Tensor rotation_;  // [P, 2, Dh/2] f32
};

}  // namespace tessera
