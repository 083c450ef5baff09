#include "engine/diffusion/job_start.h"

#include <algorithm>

namespace tessera {

absl::Status start_job(DenoiseWorker& worker, const DenoiserFacts& facts, Job& job) {
  absl::StatusOr<PositionRows> positions = worker.denoiser().positions(job.shape, worker.stream());
  if (!positions.ok()) return positions.status();
  job.positions = *std::move(positions);
  for (const JobBranch& branch : job.branches) {
    if (branch.prompt.values.empty()) continue;
    worker.condition(branch.prompt.values, facts.prompt_width, branch.pages,
                     facts.condition_first_key, branch.context_store);
  }
  const int64_t elements = job.shape.elements();
  for (JobSample& sample : job.samples) {
    std::vector<float> noise(elements);
    if (job.request.latents.has_value()) {
      const float* const given = job.request.latents->values.data() + sample.index * elements;
      std::copy(given, given + elements, noise.begin());
    } else {
      sample.draws->draw(NoisePurpose::kLatents, 0, noise);
    }
    worker.upload(sample.latents, noise);
  }
  return absl::OkStatus();
}

}  // namespace tessera
