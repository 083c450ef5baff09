// Weights of a linear layer as a rank holds them: packed columns, optionally from several
// checkpoint tensors side by side (q|k|v, gate|up), and their loading. Memory belongs to the region
// given at construction.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "engine/parallel/rank.h"
#include "engine/weights/tensor_files.h"
#include "kernels/ops/linear.h"

namespace tessera {

// One checkpoint tensor [rows, columns] (a Hugging Face weight: rows are outputs) and the part of
// it that this rank holds.
struct LinearPart {
  std::string name;  // without ".weight" / ".bias"
  int64_t rows = 0, columns = 0;
  Slice row_slice, column_slice;
  // As the file has it where it is not [rows, columns]: a convolution's [out, in, h, w].
  std::vector<int64_t> stored_shape = {};
  char separator = '.';  // before "weight" and "bias"
};

class LinearLayer {
 public:
  LinearLayer() = default;
  // Outputs of the parts stand side by side. REQUIRES: equal column slices.
  LinearLayer(Region& region, DType dtype, std::vector<LinearPart> parts, bool bias);
  // The first part gates the second: out = activation(gate) * up. REQUIRES: equal slices.
  static LinearLayer gated(Region& region, DType dtype, LinearPart gate, LinearPart up, bool bias);

  // Appends the packing of every part to `stream`.
  absl::Status load(const TensorFiles& files, Stream& stream) const;

  // Drops the file pages of its tensors from memory. REQUIRES: the packing has been waited for.
  void release(const TensorFiles& files) const;

  // out [M, N] = activation(x [M, K] w + bias); what a gated layer gives is half as wide.
  void operator()(Stream& stream, const Tensor& x, const Tensor& out,
                  std::optional<Activation> activation = std::nullopt) const {
    linear(stream, {.x = x,
                    .w = weight_,
                    .bias = bias_,
                    .out = out,
                    .activation = activation,
                    .gated = gated_});
  }
  const PackedWeight& weight() const { return weight_; }

 private:
  absl::Status load_bias(const TensorFiles& files, Stream& stream, const LinearPart& part,
                         const PackWeight& packed) const;

  std::vector<LinearPart> parts_;
  bool gated_ = false;
  PackedWeight weight_;
  Tensor bias_;  // [N] f32 or empty
};

// A norm gain, [width] f32.
absl::Status load_gain(const TensorFiles& files, const std::string& name, const Tensor& out,
                       Stream& stream);

}  // namespace tessera
