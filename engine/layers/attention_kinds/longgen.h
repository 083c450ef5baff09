// Hybrid sparse attention; see longgen.cc. The header exists for the registry line and the test.
#pragma once

#include "engine/layers/attention_kind.h"

namespace tessera {

struct LongGenParams {
  int64_t window = 1024;           // last tokens a sparse layer sees
  int64_t sink = 64;               // first tokens it sees
  int64_t block_stride = 0;        // every n-th block it sees; 0 = none
  int64_t block_tokens = 64;       // of such a block
  double full_fraction = 1.0 / 3;  // of the layers, in the middle, that stay full

  template <class V>
  void visit(V& v) {
    v("window", window, between(16, 1 << 20), "last tokens a sparse layer sees");
    v("sink", sink, between(0, 1 << 20), "first tokens a sparse layer sees");
    v("block_stride", block_stride, between(0, 1 << 16), "every n-th block is seen; 0 = none");
    v("block_tokens", block_tokens, between(16, 1 << 16), "tokens of such a block");
    v("full_fraction", full_fraction, between(0, 1), "layers in the middle that stay full");
  }
};

class LongGen final : public AttentionKind {
 public:
  explicit LongGen(const LongGenParams& params) : params_(params) {}
  absl::StatusOr<std::vector<LayerAttention>> layers(const ModelConfig& config) const override;

 private:
  LongGenParams params_;
};

}  // namespace tessera
