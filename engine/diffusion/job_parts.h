// In which parts a job's samples run: all at once, or where a step or the pools hold fewer, one
// part after the other. Pure, but that the job changes; on the caller's thread until it is
// accepted, then on the engine's.
#pragma once

#include "absl/status/status.h"
#include "engine/diffusion/accept_job.h"

namespace tessera {

// As few parts as can be; the job's samples become those of the first, the largest.
// RESOURCE_EXHAUSTED, naming what there is, where not even one sample fits.
// REQUIRES: everything else of the job is set, its cache policy's share of the plan too.
absl::Status divide(const JobRules& rules, Job& job);

// The job's samples become those of the part that begins with the request's sample `first`, before
// their first step. REQUIRES: the job holds nothing of the pools.
void begin_part(Job& job, int64_t first);

// Steps of the mean of all samples, rounded down, once those of this part have taken `done`.
int steps_in_all(const Job& job, int done);

}  // namespace tessera
