// Tensors as nested JSON arrays: [[1, 2], [3, 4]] is [2, 2]. Pure.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "tessera/v1/generation.pb.h"

namespace tessera {

// INVALID_ARGUMENT says what is wrong, without saying of what: not JSON, ragged, no numbers, empty.
absl::Status parse_tensor(const std::string& json, v1::Tensor& out);

// {"name": nested array, ...}: calls for the tensor of each name; names that `find` gives null for
// are an error.
absl::Status parse_tensors(const std::string& json,
                           const std::function<v1::Tensor*(const std::string&)>& find);

// null where there are not as many values as the extents multiply to.
std::string tensor_json(const v1::Tensor& tensor);

}  // namespace tessera
