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

// softmax(q k^T / sqrt(Dh)) v of the rows that meet at a site, then the output projection.
class SelfAttention {
 public:
  SelfAttention() = default;
  // `names` are q, k, v, out; a bias each if `bias`.
  SelfAttention(Region& weights, DType dtype, const std::vector<std::string>& names, int heads,
                int head_width, bool bias);
  absl::Status load(const TensorFiles& files, Stream& stream) const;
  // [T', D] f32, in scratch.delta.
  Tensor operator()(const DenoisePass& pass, const DenoiserScratch& scratch, const RowSet& active,
                    const Tensor& normed) const;

 private:
  int heads_ = 0, head_width_ = 0;
  LinearLayer qkv_, out_;
};

// The same with keys and values of the condition, which condition() stores once per job.
class CrossAttention {
 public:
  CrossAttention() = default;
  CrossAttention(Region& weights, DType dtype, const std::vector<std::string>& names, int heads,
                 int head_width, int64_t condition_width, bool bias);
  absl::Status load(const TensorFiles& files, Stream& stream) const;
  // K and V of `rows` [n, condition_width] to `slots` [n] of `pages`.
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
