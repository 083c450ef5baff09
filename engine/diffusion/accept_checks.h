// Checks of numbers that clients send; errors name the field and its bound. Pure; any thread.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "engine/api/diffusion.h"

namespace tessera {

inline absl::Status bad_request(const std::string& words) {
  return absl::InvalidArgumentError(words);
}

// `value` in [low, high]; not a number is outside.
absl::Status check_between(const char* field, double value, double low, double high);

// Finite numbers, as many as the shape says.
absl::Status check_finite(const char* field, const FloatArray& array);

}  // namespace tessera
