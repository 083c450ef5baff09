#include "engine/layers/linear_layer.h"

#include <algorithm>

namespace tessera {

namespace {

std::vector<int64_t> stored_shape(const LinearPart& part) {
  return part.stored_shape.empty() ? std::vector<int64_t>{part.rows, part.columns}
                                   : part.stored_shape;
}

std::string tensor_name(const LinearPart& part, const char* what) {
  return part.name + part.separator + what;
}

}  // namespace

LinearLayer::LinearLayer(Region& region, DType dtype, std::vector<LinearPart> parts, bool bias)
    : parts_(std::move(parts)) {
  int64_t outputs = 0;
  for (const LinearPart& part : parts_) outputs += part.row_slice.size();
  weight_ = allocate_packed(region, dtype, outputs, parts_.front().column_slice.size());
  if (bias) bias_ = region.allocate(DType::kF32, {outputs});
}

LinearLayer LinearLayer::gated(Region& region, DType dtype, LinearPart gate, LinearPart up,
                               bool bias) {
  LinearLayer layer;
  const int64_t columns = gated_columns(gate.row_slice.size());
  layer.weight_ = allocate_packed(region, dtype, columns, gate.column_slice.size());
  if (bias) layer.bias_ = region.allocate(DType::kF32, {columns});
  layer.parts_ = {std::move(gate), std::move(up)};
  layer.gated_ = true;
  return layer;
}

absl::Status LinearLayer::load(const TensorFiles& files, Stream& stream) const {
  int64_t column = 0;
  for (const LinearPart& part : parts_) {
    const auto weight = files.tensor(tensor_name(part, "weight"), stored_shape(part));
    if (!weight.ok()) return weight.status();
    const size_t element = size_of(weight->dtype);
    const PackWeight packed = {
        .source = weight->bytes.data() +
                  (part.row_slice.begin * part.columns + part.column_slice.begin) * element,
        .source_dtype = weight->dtype,
        .N = part.row_slice.size(),
        .K = part.column_slice.size(),
        .source_stride = part.columns,
        .w = weight_,
        .column = column,
        .panel_step = gated_ ? 2 : 1};
    pack_weight(stream, packed);
    if (!bias_.empty()) {
      const absl::Status status = load_bias(files, stream, part, packed);
      if (!status.ok()) return status;
    }
    column += gated_ ? kPanelColumns : part.row_slice.size();
  }
  return absl::OkStatus();
}

// Biases stand as the columns of the packed part do.
absl::Status LinearLayer::load_bias(const TensorFiles& files, Stream& stream,
                                    const LinearPart& part, const PackWeight& packed) const {
  const auto bias = files.tensor(tensor_name(part, "bias"), {part.rows});
  if (!bias.ok()) return bias.status();
  const int64_t together = gated_ ? kPanelColumns : packed.N;
  for (int64_t n = 0; n < packed.N; n += together) {
    load_vector(stream,
                {.source = bias->bytes.data() + (part.row_slice.begin + n) * size_of(bias->dtype),
                 .source_dtype = bias->dtype,
                 .out = bias_.rows(packed_column(packed, n), std::min(together, packed.N - n))});
  }
  return absl::OkStatus();
}

void LinearLayer::release(const TensorFiles& files) const {
  for (const LinearPart& part : parts_) {
    const auto weight = files.tensor(tensor_name(part, "weight"), stored_shape(part));
    if (weight.ok()) files.release(*weight);
  }
}

absl::Status load_gain(const TensorFiles& files, const std::string& name, const Tensor& out,
                       Stream& stream) {
  const auto gain = files.tensor(name, {out.dim(0)});
  if (!gain.ok()) return gain.status();
  load_vector(stream, {.source = gain->bytes.data(), .source_dtype = gain->dtype, .out = out});
  return absl::OkStatus();
}

}  // namespace tessera
