// One denoising step of the jobs chosen for it, from what each computes to its next latents. Made
// for every step, launched once, retired once; engine thread. In between, steps that follow may be
// launched: the stream keeps their order, so what this one still reads is overwritten only after.
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
  // Appends everything to the stream; waits for it only where a policy looks first. Afterwards the
  // jobs hold what later steps need, their step still being this one.
  void launch();
  // Whether what jobs do next depends on what wait() tells their guidance.
  bool decides() const { return !comparison_.samples.empty(); }
  // For the end of the step.
  void wait();
  const DenoiseReport& report() const { return report_; }  // lacks seconds
  struct Member {
    Job* job;
    int step;
  };
  const std::vector<Member>& jobs() const { return jobs_; }

 private:
  struct Sample {
    Job* job;
    size_t index;                          // in the part
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
  void compare_answers();
  void append_solver_steps();
  void settle(const Sample& sample);
  void tell(Job& job, std::span<const Sample> samples);

  DenoiseWorker& worker_;
  const JobRules& rules_;
  std::vector<Member> jobs_;
  std::vector<Sample> samples_;
  DenoisePlan plan_;
  Comparison comparison_;
  Fence end_ = 0;
  DenoiseReport report_;
  std::array<BranchCounts, static_cast<size_t>(SiteKind::kMlpContext) + 1> by_kind_;  // the same
};

}  // namespace tessera
