#include "engine/codecs/conv_layer.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/ops/conv.h"
#include "kernels/ops/linear.h"

namespace tessera {

ConvLayer::ConvLayer(Region& region, DType dtype, std::string name, int outputs, int inputs,
                     int kernel)
    : name_(std::move(name)), outputs_(outputs), inputs_(inputs), kernel_(kernel) {
  weight_ = allocate_packed(region, dtype, outputs, gathered_columns());
  bias_ = region.allocate(DType::kF32, {outputs});
}

absl::Status ConvLayer::load(const TensorFiles& files, Stream& stream) const {
  const auto weight = files.tensor(name_ + ".weight", {outputs_, inputs_, kernel_, kernel_});
  if (!weight.ok()) return weight.status();
  const auto bias = files.tensor(name_ + ".bias", {outputs_});
  if (!bias.ok()) return bias.status();
  // The file has [out][channel][y][x], im2col gives [y][x][channel].
  const size_t element = size_of(weight->dtype);
  const int64_t taps = int64_t{kernel_} * kernel_;
  std::vector<std::byte> reordered(weight->bytes.size());
  for (int64_t out = 0; out < outputs_; ++out) {
    for (int64_t channel = 0; channel < inputs_; ++channel) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        std::memcpy(reordered.data() + ((out * taps + tap) * inputs_ + channel) * element,
                    weight->bytes.data() + ((out * inputs_ + channel) * taps + tap) * element,
                    element);
      }
    }
  }
  pack_weight(stream, {.source = reordered.data(),
                       .source_dtype = weight->dtype,
                       .N = outputs_,
                       .K = gathered_columns(),
                       .source_stride = gathered_columns(),
                       .w = weight_,
                       .column = 0});
  load_vector(stream, {.source = bias->bytes.data(), .source_dtype = bias->dtype, .out = bias_});
  stream.wait(stream.record());
  return absl::OkStatus();
}

void ConvLayer::operator()(Stream& stream, const Tensor& in, int height, int width, bool twice,
                           const Tensor& gathered, const Tensor& out) const {
  if (kernel_ == 1 && !twice) {
    linear(stream, {.x = in, .w = weight_, .bias = bias_, .out = out});
    return;
  }
  const int64_t pixels = out.dim(0);
  for (int64_t first = 0; first < pixels; first += kPieceRows) {
    const int64_t rows = std::min(kPieceRows, pixels - first);
    // One buffer serves every layer: its rows are as wide as this one needs.
    const Tensor piece = make_tensor(gathered.data, gathered.dtype, {rows, gathered_columns()});
    im2col(stream, {.in = in,
                    .height = height,
                    .width = width,
                    .kernel = kernel_,
                    .twice = twice,
                    .first = first,
                    .out = piece});
    linear(stream, {.x = piece, .w = weight_, .bias = bias_, .out = out.rows(first, rows)});
  }
}

}  // namespace tessera
