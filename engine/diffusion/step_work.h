// Small facts about one job's next step, each a pure function of the job.
#pragma once

#include "engine/api/diffusion.h"
#include "engine/diffusion/job.h"
#include "engine/schedule/cost_model.h"
#include "kernels/ops/combine.h"

namespace tessera {

// What the step computes if every branch of the network runs.
StepShape step_shape(const Job& job);

// The network's answer after guidance, to the sample's output.
CombineEntry guided_output(const Job& job, const JobSample& sample);
CombineEntry entry_of(const Combination& combination, const JobSample& sample, int64_t elements);

}  // namespace tessera
