// What a request says its samples should be: label, prompt, embeddings or observations, checked and
// given to the branches of a job. Pure; any thread.
#pragma once

#include "absl/status/status.h"
#include "engine/diffusion/accept_job.h"

namespace tessera {

// REQUIRES: the job's branches are there, the conditional one first.
absl::Status set_condition(const JobRules& rules, Job& job);

}  // namespace tessera
