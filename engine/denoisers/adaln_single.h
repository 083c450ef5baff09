// adaLN-single, which PixArt and Latte share: one modulation for all blocks, to which every block
// adds a table of its own; blocks of self-attention, cross-attention without norm or gate, and an
// MLP; prompts projected to the width of the stream. Each part is owned by a denoiser; engine
// thread.
#pragma once

#include <string>
#include <vector>

#include "engine/branch/residual.h"
#include "engine/denoisers/parts.h"

namespace tessera {

// A modulation row is [blocks][shift, scale, gate of attention; shift, scale, gate of the MLP][D],
// then the final shift and scale.
class SingleModulation {
 public:
  SingleModulation() = default;
  // `blocks` are the names of the blocks in the order of a row, with the dot at their end. `sizes`:
  // height, width and aspect ratio are embedded beside the timestep.
  SingleModulation(Region& weights, DType dtype, std::vector<std::string> blocks, int64_t width,
                   bool sizes);
  void allocate_scratch(Region& scratch, const DenoiserLimits& limits);
  absl::Status load(const TensorFiles& files, Stream& stream) const;

  int64_t row_width() const;
  void operator()(const ModulationPass& pass, const DenoiserScratch& scratch) const;

  // Columns of a modulation. Parts 0..5 of a block, 0 and 1 of the end.
  Tensor part(const Tensor& modulation, int block, int part) const;
  Tensor final_part(const Tensor& modulation, int part) const;

 private:
  std::vector<std::string> blocks_;
  int64_t width_ = 0;
  bool sizes_ = false;
  VectorEmbedder time_, resolution_, aspect_;
  LinearLayer six_;
  Tensor tables_;       // [W] f32: the tables in the order of a row
  Tensor shared_;       // [n, 6D] f32: what all blocks have in common
  Tensor first_table_;  // [n] i32, all 0: regions begin as zeros
};

class SingleBlock {
 public:
  // `name` with the dot at its end; `cross`: it attends to the prompt too.
  SingleBlock(Region& weights, DType dtype, const std::string& name, int heads, int head_width,
              bool bias, bool cross);
  absl::Status load(const TensorFiles& files, Stream& stream) const;

  // K and V of prompt rows [n, D] to `slots` of `pages`. REQUIRES: cross.
  void store(Stream& stream, const DenoiserScratch& scratch, const Tensor& prompt,
             const Tensor& slots, const KvLayer& pages) const {
    cross_.store(stream, scratch, prompt, slots, pages);
  }
  // Its two or three sites, from `site`; `block` is its place in the modulation. `prompt` holds the
  // condition's K and V, null without cross-attention.
  void add(const DenoisePass& pass, const DenoiserScratch& scratch,
           const SingleModulation& modulation, int block, float epsilon, const KvLayer* prompt,
           int site, Residual& residual) const;

 private:
  bool crosses_ = false;
  SelfAttention attention_;
  CrossAttention cross_;
  DenoiserMlp mlp_;
};

// linear_2(gelu_tanh(linear_1 x)) of prompt embeddings.
class PromptProjection {
 public:
  PromptProjection() = default;
  PromptProjection(Region& weights, DType dtype, const std::string& name, int64_t inputs,
                   int64_t width);
  absl::Status load(const TensorFiles& files, Stream& stream) const;
  // [n, D] of activation type, in scratch.prompt.
  Tensor operator()(Stream& stream, const DenoiserScratch& scratch, const Tensor& rows) const;

 private:
  LinearLayer first_, second_;
};

}  // namespace tessera
