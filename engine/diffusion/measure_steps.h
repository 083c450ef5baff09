// What steps of a network cost on this machine, measured once at load, before any job.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "engine/diffusion/denoise_worker.h"
#include "engine/schedule/cost_model.h"

namespace tessera {

// Steps of 1, 2, 4, ... samples of `shape`, under conditions of middling length. REQUIRES: nothing
// else uses the worker; `limits` are the worker's.
absl::StatusOr<CostModel> measure_steps(DenoiseWorker& worker, const LatentShape& shape,
                                        const WorkerLimits& limits);

// What parts of a step of one sample its branches take, by kind (site_kind_name), norms included;
// "ends" is what stands before and after the blocks. They add up to 1. Nothing where a step does
// not hold a whole sample of `shape`. REQUIRES: as above.
absl::StatusOr<std::map<std::string, double>> measure_shares(DenoiseWorker& worker,
                                                             const LatentShape& shape,
                                                             const WorkerLimits& limits);

}  // namespace tessera
