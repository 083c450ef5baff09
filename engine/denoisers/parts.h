// What transformer denoisers are made of: attention over a step's rows or over the condition's, the
// MLP, the timestep's embedder. Each is weights and the ops that apply them; owned by a denoiser,
// used on the engine thread.
#pragma once

#include <string>
#include <vector>

#include "engine/denoisers/scratch.h"
#include "engine/layers/linear_layer.h"
#include "kernels/ops/activation.h"

namespace tessera {

// A linear of [outputs, inputs], held as a whole.
LinearPart whole_part(const std::string& name, int64_t outputs, int64_t inputs);

// RMS norms over each head of q and k: tensors [head width], and the epsilon.
struct HeadNorms {
  std::string q, k;
  float epsilon = 0;
};

// softmax(q k^T / sqrt(Dh)) v of the rows that meet at a site, then the output projection.
class SelfAttention {
 public:
  // Checkpoint tensors side by side, with biases if `bias`. Without q a stream only lends its keys
  // and values to another; then there is no `out`.
  struct Tensors {
    std::vector<LinearPart> qkv;
    bool queries = true;
    bool bias = true;
    LinearPart out{};
    HeadNorms norms{};
  };

  SelfAttention() = default;
  SelfAttention(Region& weights, DType dtype, Tensors tensors, int heads, int head_width);
  // `names` are q, k, v, out; a bias each if `bias`.
  SelfAttention(Region& weights, DType dtype, const std::vector<std::string>& names, int heads,
                int head_width, bool bias);
  absl::Status load(const TensorFiles& files, Stream& stream) const;
  // [T', D] f32, in scratch.delta.
  Tensor operator()(const DenoisePass& pass, const DenoiserScratch& scratch, const RowSet& active,
                    const Tensor& normed) const;

  // Its halves, for streams that meet: all of them store before one reads. What lies between is in
  // scratch.q and the step's pages.
  void store(const DenoisePass& pass, const DenoiserScratch& scratch, const RowSet& active,
             const Tensor& normed) const;
  Tensor read(const DenoisePass& pass, const DenoiserScratch& scratch, const RowSet& active) const;

 private:
  int heads_ = 0, head_width_ = 0;
  bool queries_ = true;
  HeadNorms norms_;
  LinearLayer qkv_, out_;
  Tensor q_gain_, k_gain_;  // [Dh] f32, or empty
};

// The same with keys and values of the condition, which condition() stores once per job.
class CrossAttention {
 public:
  CrossAttention() = default;
  CrossAttention(Region& weights, DType dtype, const LinearPart& q,
                 const std::vector<LinearPart>& kv, const LinearPart& out, int heads,
                 int head_width, bool bias);
  // `names` are q, k, v, out.
  CrossAttention(Region& weights, DType dtype, const std::vector<std::string>& names, int heads,
                 int head_width, int64_t condition_width, bool bias);
  absl::Status load(const TensorFiles& files, Stream& stream) const;
  // K and V of `rows` [n, condition_width], side by side: out [n, 2D] f32.
  void project(Stream& stream, const Tensor& rows, const Tensor& out) const {
    kv_(stream, rows, out);
  }
  // The same to `slots` [n] of `pages`.
  void store(Stream& stream, const DenoiserScratch& scratch, const Tensor& rows,
             const Tensor& slots, const KvLayer& pages) const;
  Tensor operator()(const DenoisePass& pass, const DenoiserScratch& scratch, const RowSet& active,
                    const Tensor& normed, const KvLayer& pages) const;

 private:
  int heads_ = 0, head_width_ = 0;
  LinearLayer q_, kv_, out_;
};

// Stores the K and V halves of kv [n, 2D] f32 to `slots` [n] of `pages`.
void store_kv(Stream& stream, const Tensor& kv, const Tensor& slots, int heads, int head_width,
              const KvLayer& pages);

// down(activation(up x)).
class DenoiserMlp {
 public:
  DenoiserMlp() = default;
  DenoiserMlp(Region& weights, DType dtype, const std::string& up, const std::string& down,
              int64_t width, int64_t ffn_width, Activation activation);
  absl::Status load(const TensorFiles& files, Stream& stream) const;
  Tensor operator()(Stream& stream, const DenoiserScratch& scratch, const Tensor& normed) const;

 private:
  Activation activation_{};
  LinearLayer up_, down_;
};

// linear_2(silu(linear_1 x)): embeds a sinusoid, or a pooled prompt.
class VectorEmbedder {
 public:
  VectorEmbedder() = default;
  VectorEmbedder(Region& weights, DType dtype, const std::string& name, int64_t inputs,
                 int64_t width);
  absl::Status load(const TensorFiles& files, Stream& stream) const;
  // out [n, width] f32.
  void operator()(Stream& stream, const DenoiserScratch& scratch, const Tensor& rows,
                  const Tensor& out) const;

 private:
  LinearLayer first_, second_;
};

}  // namespace tessera
