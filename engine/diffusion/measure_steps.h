// What steps of a network cost on this machine, measured once at load, before any job.
#pragma once

#include "absl/status/statusor.h"
#include "engine/diffusion/denoise_worker.h"
#include "engine/schedule/cost_model.h"

namespace tessera {

// Steps of 1, 2, 4, ... samples of `shape`, under conditions of middling length. REQUIRES: nothing
// else uses the worker; `limits` are the worker's.
absl::StatusOr<CostModel> measure_steps(DenoiseWorker& worker, const LatentShape& shape,
                                        const WorkerLimits& limits);

}  // namespace tessera
