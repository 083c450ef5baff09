// How much of everything a diffusion engine takes: chosen from the network, the settings and the
// memory there is, before anything is allocated. Any thread.
#pragma once

#include "absl/status/statusor.h"
#include "engine/api/diffusion.h"
#include "engine/diffusion/job_ledger.h"
#include "engine/diffusion/network_choice.h"

namespace tessera {

// Steps hold several samples of the trained size; pools hold as many segments as the memory for
// jobs allows, up to a bound, and the features that cache policies keep get what is left of it.
// RESOURCE_EXHAUSTED when not even one guided sample fits.
absl::StatusOr<WorkerLimits> plan_limits(const DiffusionModelSettings& settings,
                                         const Network& network, DType dtype);

// The pools that a worker of these limits has.
JobPools pools_of(const WorkerLimits& limits);

}  // namespace tessera
