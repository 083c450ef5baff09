#include "tools/client/tensor_json.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace tessera {
namespace {

using Json = nlohmann::json;

constexpr int kDepthMax = 8;

absl::Status wrong(absl::string_view what) { return absl::InvalidArgumentError(std::string(what)); }

absl::StatusOr<Json> parse(const std::string& text) {
  bool too_deep = false;
  Json json = Json::parse(
      text,
      [&](int depth, Json::parse_event_t, Json&) {
        too_deep |= depth > kDepthMax + 1;
        return !too_deep;
      },
      /*allow_exceptions=*/false);
  if (too_deep) return wrong(absl::StrCat("is nested more than ", kDepthMax, " deep"));
  if (json.is_discarded()) return wrong("is not JSON");
  return json;
}

absl::Status add_values(const Json& json, int depth, v1::Tensor& out) {
  if (depth == out.shape_size()) {
    if (!json.is_number()) return wrong("must hold arrays of the same depth, with numbers inside");
    const auto value = json.get<double>();
    if (!(std::abs(value) <= std::numeric_limits<float>::max()))
      return wrong("has a number that does not fit 32 bits");
    out.add_values(static_cast<float>(value));
    return absl::OkStatus();
  }
  if (!json.is_array() || static_cast<int64_t>(json.size()) != out.shape(depth))
    return wrong(absl::StrCat("has arrays of different lengths at depth ", depth + 1));
  for (const Json& inner : json) {
    if (absl::Status status = add_values(inner, depth + 1, out); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status set_tensor(const Json& json, v1::Tensor& out) {
  out.Clear();
  for (const Json* inner = &json; inner->is_array(); inner = &inner->front()) {
    if (inner->empty()) return wrong("has an empty array");
    out.add_shape(static_cast<int64_t>(inner->size()));
  }
  if (out.shape().empty()) return wrong("must be an array, such as [[0.1, 0.2], [0.3, 0.4]]");
  return add_values(json, 0, out);
}

Json nested(const v1::Tensor& tensor, int depth, int& next) {
  if (depth == tensor.shape_size()) return tensor.values(next++);
  Json array = Json::array();
  for (int64_t at = 0; at < tensor.shape(depth); ++at)
    array.push_back(nested(tensor, depth + 1, next));
  return array;
}

}  // namespace

absl::Status parse_tensor(const std::string& json, v1::Tensor& out) {
  const absl::StatusOr<Json> parsed = parse(json);
  if (!parsed.ok()) return parsed.status();
  return set_tensor(*parsed, out);
}

absl::Status parse_tensors(const std::string& json,
                           const std::function<v1::Tensor*(const std::string&)>& find) {
  const absl::StatusOr<Json> parsed = parse(json);
  if (!parsed.ok()) return parsed.status();
  if (!parsed->is_object()) return wrong("must be an object of arrays");
  for (const auto& [name, value] : parsed->items()) {
    v1::Tensor* const tensor = find(name);
    if (tensor == nullptr) return wrong(absl::StrCat("has '", name, "', which is not known"));
    if (absl::Status status = set_tensor(value, *tensor); !status.ok())
      return wrong(absl::StrCat(name, " ", status.message()));
  }
  return absl::OkStatus();
}

std::string tensor_json(const v1::Tensor& tensor) {
  int64_t room = tensor.values_size();
  for (const int64_t extent : tensor.shape()) {
    if (extent < 1 || room % extent != 0) return "null";
    room /= extent;
  }
  if (room != 1) return "null";
  int next = 0;
  return nested(tensor, 0, next).dump();
}

}  // namespace tessera
