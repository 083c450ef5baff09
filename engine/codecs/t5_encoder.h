// The encoder of T5 1.1 (Raffel et al., 2020; the gated kind): token ids of prompts to their
// embeddings. Owned by a diffusion engine, which gives it a stream of its own, so that encoding
// takes turns with denoising on the lane; engine thread; touches no tensor memory.
//
// Prompts have no padding: their rows are packed, each prompt attends to itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/batch/batch.h"
#include "engine/layers/activations.h"
#include "engine/layers/linear_layer.h"
#include "engine/tokenize/tokenizer.h"
#include "engine/weights/diffusers/t5_config.h"

namespace tessera {

struct T5Limits {
  int tokens_max = 0;   // of one prompt, the end token included
  int prompts_max = 0;  // encoded at once
};

class T5Encoder {
 public:
  T5Encoder(const T5Config& config, DType dtype, const T5Limits& limits, Region& weights);

  void allocate_scratch(Region& scratch);
  absl::Status load(const TensorFiles& files, Stream& stream) const;

  // `text` as the network wants it, with the end token; it may have more ids than the limit. A text
  // cannot spell special tokens.
  std::vector<int32_t> ids(const Tokenizer& tokenizer, std::string_view text) const;

  // Prompts laid out for encode(): views of scratch, valid until the next call.
  struct Prompts {
    int rows = 0;   // T, tokens of all
    Tensor tokens;  // [T] i32
    Tensor pages;   // [*] i32
    RowSet set;
  };
  // REQUIRES: within the limits; ids in [0, vocab_size), no prompt empty.
  Prompts lay_out(const std::vector<std::vector<int32_t>>& prompts, Stream& stream) const;

  // out [T, D] f32 or weights' type: embeddings of the prompts, one after the other.
  void encode(const Prompts& prompts, const Tensor& out, Stream& stream) const;

  // The parts of encode(). Between them the stream stands in residual(), [T, D] f32.
  void embed(const Prompts& prompts, Stream& stream) const;
  void block(const Prompts& prompts, int layer, Stream& stream) const;
  void finish(const Prompts& prompts, const Tensor& out, Stream& stream) const;
  const Tensor& residual() const { return residual_; }

 private:
  struct Gain {
    std::string name;
    Tensor values;  // [D] f32
  };
  struct Layer {
    Gain attention_norm, mlp_norm;
    LinearLayer qkv, out, up, down;  // up: [wi_0 | wi_1]
  };

  Layer make_layer(Region& weights, int index) const;
  absl::Status load_bias(const TensorFiles& files, Stream& stream) const;
  Tensor attend(const Prompts& prompts, const Layer& layer, const Tensor& normed,
                Stream& stream) const;

  const T5Config config_;
  const DType dtype_;
  const T5Limits limits_;
  LinearLayer embedding_;
  std::vector<Layer> layers_;
  Gain final_norm_;
  Tensor buckets_;    // [buckets * H, 1] f32: the table of the file
  Tensor bucket_of_;  // [H * (2P - 1)] i32: its entry for every head and distance
  Tensor bias_;       // [H, 2P - 1] f32, P = tokens_max
  Tensor integers_;   // one call's arrays
  Tensor residual_;   // [T, D]  f32
  Tensor normed_;     // [T, D]  weights' type
  Tensor qkv_rows_;   // [T, 3 H Dh]  f32
  Tensor q_, mixed_;  // [T, H, Dh]  weights' type
  Tensor ffn_;        // [T, F]  weights' type
  Tensor delta_;      // [T, D]  f32
  KvLayer kv_;
};

// The entry of T5's table of relative positions for a key `distance` places after the query.
int t5_bucket(int distance, int buckets, int distance_max);

}  // namespace tessera
