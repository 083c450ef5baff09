// Small facts about one job's next step, each a pure function of the job.
#pragma once

#include "engine/api/diffusion.h"
#include "engine/diffusion/job.h"
#include "engine/schedule/cost_model.h"
#include "kernels/ops/combine.h"

namespace tessera {

// One segment's share of a step: its image rows, of which `meeting` attend to each other, its rows
// of the context stream, and the keys of its condition.
StepShape segment_shape(int64_t rows, int64_t meeting, int64_t context, int64_t keys);

// What the next step computes, as far as it is known before: less by the share of the network's
// branches that its cache policy reuses.
StepShape step_shape(const Job& job);
// The mean of the steps from this one on.
StepShape mean_step_shape(const Job& job, int from);

// The network's answer after guidance, to the sample's output.
CombineEntry guided_output(const Job& job, size_t sample);
// The clean latents that a branch's answer predicts, to `out`.
CombineEntry predicted_latents(const Job& job, const JobSample& sample, size_t branch, int64_t out);
// Whether the clean latents that this step predicts are to be shown. They are then in the range of
// the first branch's answer once the step is done.
bool shows_preview(const Job& job);
// The same of a step that has been taken, `done` counting it.
bool previews_after(const Job& job, int done);
CombineEntry entry_of(const Combination& combination, const JobSample& sample, int64_t elements);

}  // namespace tessera
