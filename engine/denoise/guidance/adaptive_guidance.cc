// Adaptive Guidance (Castillo, Kohler, Perez, Perez, Pumarola, Ghanem, Arbelaez, Thabet, 2023). The
// answers with and without the condition grow alike towards the end; once their cosine reaches the
// threshold, all remaining steps of the sample run the conditional branch alone.
#include "engine/denoise/guidance/adaptive_guidance.h"

#include <cmath>

namespace tessera {

absl::StatusOr<std::unique_ptr<Guidance>> AdaptiveGuidance::make(
    const AdaptiveGuidanceParams& params, const GuidanceJob& job) {
  if (absl::Status status = check_scale("adaptive_guidance", params.scale, job); !status.ok()) {
    return status;
  }
  return std::unique_ptr<Guidance>(new AdaptiveGuidance(params, job.samples));
}

bool AdaptiveGuidance::guides(int sample, int) const {
  return params_.scale > 1 && !aligned_[sample];
}

std::optional<GuidanceSpace> AdaptiveGuidance::probe(int sample, int step) const {
  if (!guides(sample, step) || params_.threshold > 1 || step + 1 < params_.min_steps) {
    return std::nullopt;
  }
  return params_.space;
}

void AdaptiveGuidance::observe(int sample, int, const AnswerProducts& products) {
  const double cosine = products.mixed / std::sqrt(products.conditional * products.unconditional);
  // Not a number where an answer is zero or broken: keep guiding.
  if (cosine >= params_.threshold) aligned_[sample] = true;
}

}  // namespace tessera
