// One denoising step of the jobs chosen for it, from what each computes to its next latents. Made
// on the stack for every step; engine thread.
#pragma once

#include <vector>

#include "engine/api/diffusion.h"
#include "engine/diffusion/accept_job.h"
#include "engine/diffusion/denoise_worker.h"

namespace tessera {

class DenoiseStep {
 public:
  DenoiseStep(DenoiseWorker& worker, const JobRules& rules) : worker_(worker), rules_(rules) {}

  // REQUIRES: started, with steps left; all jobs together fit the worker.
  void add(Job& job);
  // Runs the step and waits for it. The report lacks rows and seconds.
  DenoiseReport run();
  const std::vector<Job*>& jobs() const { return jobs_; }

 private:
  void modulate_when_due(Job& job);
  void plan(Job& job);
  void append_solver_steps();

  DenoiseWorker& worker_;
  const JobRules& rules_;
  std::vector<Job*> jobs_;
  DenoisePlan plan_;
  DenoiseReport report_;
};

}  // namespace tessera
