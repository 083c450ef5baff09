#include "engine/diffusion/accept_checks.h"

#include <cmath>
#include <cstdio>

namespace tessera {

absl::Status check_between(const char* field, double value, double low, double high) {
  if (value >= low && value <= high) return absl::OkStatus();
  char words[160];
  std::snprintf(words, sizeof words, "%s is %g, must be in [%g, %g]", field, value, low, high);
  return bad_request(words);
}

absl::Status check_finite(const char* field, const FloatArray& array) {
  int64_t elements = 1;
  for (const int64_t extent : array.shape) {
    if (extent < 1 || extent > (int64_t{1} << 31) || elements > (int64_t{1} << 40) / extent) {
      return bad_request(std::string(field) + ".shape has an extent of " + std::to_string(extent));
    }
    elements *= extent;
  }
  if (array.shape.empty() || elements != static_cast<int64_t>(array.values.size())) {
    return bad_request(std::string(field) + " has " + std::to_string(array.values.size()) +
                       " values, its shape says " +
                       std::to_string(array.shape.empty() ? 0 : elements));
  }
  for (size_t at = 0; at < array.values.size(); ++at) {
    if (!std::isfinite(array.values[at])) {
      return bad_request(std::string(field) + "[" + std::to_string(at) + "] is not finite");
    }
  }
  return absl::OkStatus();
}

}  // namespace tessera
