// One denoising step of the jobs chosen for it, from what each computes to its next latents. Made
// on the stack for every step; engine thread.
//
// Policies that look first make the step stop: at a cut the blocks so far have run, the changes of
// all who ask there are measured in one go, and the rest of the step is laid out anew.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "engine/api/diffusion.h"
#include "engine/diffusion/accept_job.h"
#include "engine/diffusion/denoise_worker.h"
#include "engine/diffusion/step_verdicts.h"

namespace tessera {

class DenoiseStep {
 public:
  DenoiseStep(DenoiseWorker& worker, const JobRules& rules) : worker_(worker), rules_(rules) {}

  // REQUIRES: started, with steps left; all jobs together fit the worker.
  void add(Job& job);
  // Runs the step and waits for it. The report lacks seconds.
  DenoiseReport run();
  const std::vector<Job*>& jobs() const { return jobs_; }

 private:
  struct Sample {
    Job* job;
    size_t index;                          // in the job
    size_t first_segment, segments;        // in the plan: one per guidance branch that runs
    std::optional<StepVerdicts> verdicts;  // absent: everything computes
    JobSample& held() const { return job->samples[index]; }
  };
  // Whose answers are compared, in the order of the sums.
  struct Comparison {
    std::vector<const Sample*> samples;
    std::vector<float> sums;
  };

  void modulate_when_due(Job& job);
  PlannedSegment segment_of(const Job& job, const JobSample& sample, size_t branch) const;
  void decide(const Sample& sample);
  // The block before which the next question is asked, or -1.
  int next_cut() const;
  void ask_before(int block);
  void compare_answers(Comparison& comparison);
  void append_solver_steps();
  void settle(const Sample& sample);
  void tell(Job& job, std::span<const Sample> samples);

  DenoiseWorker& worker_;
  const JobRules& rules_;
  std::vector<Job*> jobs_;
  std::vector<Sample> samples_;
  DenoisePlan plan_;
  DenoiseReport report_;
  std::array<BranchCounts, static_cast<size_t>(SiteKind::kMlpContext) + 1> by_kind_;  // the same
};

}  // namespace tessera
