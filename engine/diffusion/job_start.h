// What a job needs on the device before its first step: positions, its condition's keys and values,
// its noise. Engine thread; appends ops.
#pragma once

#include "absl/status/status.h"
#include "engine/diffusion/denoise_worker.h"
#include "engine/diffusion/job.h"

namespace tessera {

// REQUIRES: admitted. RESOURCE_EXHAUSTED as Denoiser::positions.
absl::Status start_job(DenoiseWorker& worker, const DenoiserFacts& facts, Job& job);

}  // namespace tessera
