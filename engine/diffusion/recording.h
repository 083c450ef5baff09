// A job that records: all branches compute at every step, and the host gets what those of its first
// sample add under the condition.
#pragma once

#include "absl/status/status.h"
#include "engine/diffusion/accept_job.h"
#include "engine/diffusion/denoise_worker.h"

namespace tessera {

// Makes an accepted job record. INVALID_ARGUMENT where it has a cache policy already,
// RESOURCE_EXHAUSTED where the record or the features of a step are too large.
absl::Status make_recording(const JobRules& rules, Job& job);

// Appends the downloads of the step that has just run. REQUIRES: the job records.
void append_recording(DenoiseWorker& worker, Job& job);

}  // namespace tessera
