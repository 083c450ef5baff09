// Weights of a convolution and its application to a picture of pixels x channels: the rows that the
// kernel sees are gathered piece by piece and multiplied as a matrix. Owned by a codec; engine
// thread.
#pragma once

#include <string>

#include "engine/weights/tensor_files.h"
#include "kernels/core/stream.h"
#include "kernels/ops/packed_weight.h"

namespace tessera {

class ConvLayer {
 public:
  static constexpr int64_t kPieceRows = 1024;  // output pixels gathered at once

  ConvLayer() = default;
  // `name` without ".weight" / ".bias"; kernel is 1 or 3.
  ConvLayer(Region& region, DType dtype, std::string name, int outputs, int inputs, int kernel);

  // Waits for the packing: the reordered weights live on the caller's stack.
  absl::Status load(const TensorFiles& files, Stream& stream) const;

  // out [pixels, outputs] f32 = the convolution of in [height * width, inputs], of a picture first
  // made twice as large if `twice`. `gathered` is scratch, [kPieceRows, gathered_columns()].
  void operator()(Stream& stream, const Tensor& in, int height, int width, bool twice,
                  const Tensor& gathered, const Tensor& out) const;

  int outputs() const { return outputs_; }
  int64_t gathered_columns() const { return int64_t{kernel_} * kernel_ * inputs_; }

 private:
  std::string name_;
  int outputs_ = 0, inputs_ = 0, kernel_ = 1;
  PackedWeight weight_;
  Tensor bias_;
};

}  // namespace tessera
