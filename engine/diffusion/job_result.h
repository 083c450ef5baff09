// From the latents of a finished job to what its client gets. Pure; any thread.
#pragma once

#include <vector>

#include "engine/diffusion/accept_job.h"

namespace tessera {

// `latents` of all samples of the request, one after the other, with their shape; actions in the
// units of the data unless the request wants latents.
FloatArray latents_of(const JobRules& rules, const Job& job, std::vector<float> latents);

// The shape of the pixels of so many samples.
std::vector<int64_t> pixel_shape(const JobRules& rules, const Job& job, int64_t samples);

}  // namespace tessera
