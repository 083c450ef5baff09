// Classifier-free guidance (Ho, Salimans, 2022). Every step runs the network with the condition and
// without it, and follows their difference beyond the conditional answer.
#include "engine/denoise/guidance/classifier_free.h"

namespace tessera {

absl::StatusOr<std::unique_ptr<Guidance>> ClassifierFree::make(const ClassifierFreeParams& params,
                                                               const GuidanceJob& job) {
  if (absl::Status status = check_scale("classifier_free", params.scale, job); !status.ok()) {
    return status;
  }
  return std::unique_ptr<Guidance>(new ClassifierFree(params.scale));
}

}  // namespace tessera
