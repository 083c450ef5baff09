// One call that denoises, from the request to everything it was answered. Any thread; each call has
// a connection of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tessera/v1/generation.pb.h"

namespace tessera {

struct DenoiseRun {
  std::vector<std::vector<float>> samples;
  std::vector<int64_t> shape;      // of each
  std::vector<std::string> trace;  // if asked for
  double wall_seconds = 0;         // from sending to the end, at the client
  double queue_seconds = 0, denoise_seconds = 0, total_seconds = 0;  // as the daemon tells
};

// Steps done of the job, as they are told; 0 when it was accepted.
using OnDenoiseStep = std::function<void(int step)>;

// Request is a GenerateImageRequest, GenerateVideoRequest or PredictActionRequest; pictures must be
// asked for as tensors.
template <class Request>
absl::StatusOr<DenoiseRun> run_denoise(const std::string& address, const Request& request,
                                       const OnDenoiseStep& on_step = nullptr);

}  // namespace tessera
