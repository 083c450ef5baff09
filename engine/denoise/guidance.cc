#include "engine/denoise/guidance.h"

#include "engine/weights/message.h"

namespace tessera {

absl::Status check_scale(std::string_view policy, double scale, const GuidanceJob& job) {
  if (scale <= 1 || job.has_unconditional) return absl::OkStatus();
  return absl::InvalidArgumentError(concat(
      policy, ".scale is ", scale, ", must be at most 1: the model has no unconditional branch"));
}

GuidanceMix mix_of(double scale) {
  return {static_cast<float>(scale), static_cast<float>(1 - scale)};
}

}  // namespace tessera
