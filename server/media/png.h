// Pictures as PNG files in memory. Pure; any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace tessera {

// `pixels` [3, height, width] in [0, 1], planes of red, green and blue; 8 bits a channel, a value v
// becomes floor(255 v + 1/2). What lies outside is clamped; what is no number is black.
// INVALID_ARGUMENT when the sizes do not fit.
absl::StatusOr<std::string> encode_png(std::span<const float> pixels, int64_t height,
                                       int64_t width);

}  // namespace tessera
