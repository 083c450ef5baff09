#include "engine/diffusion/denoise_step.h"

#include "engine/diffusion/step_work.h"

namespace tessera {

void DenoiseStep::add(Job& job) {
  modulate_when_due(job);
  plan(job);
  const int64_t branches = job.segments() * rules_.sites;
  job.summary.computed += branches;
  report_.computed += branches;
  if (job.request.trace) job.trace.emplace_back(rules_.sites, 'C');
  jobs_.push_back(&job);
}

DenoiseReport DenoiseStep::run() {
  report_.jobs = static_cast<int64_t>(jobs_.size());
  worker_.launch(plan_);
  append_solver_steps();
  worker_.wait();
  return report_;
}

void DenoiseStep::modulate_when_due(Job& job) {
  if (job.step % DenoiseWorker::kWindow != 0) return;
  const std::vector<float>& all = job.solver->steps().timesteps;
  const size_t count =
      std::min<size_t>(DenoiseWorker::kWindow, all.size() - static_cast<size_t>(job.step));
  for (const JobSample& sample : job.samples) {
    for (size_t which = 0; which < job.branches.size(); ++which) {
      const JobBranch& branch = job.branches[which];
      worker_.modulate({.slot = sample.branches[which].modulation_slot,
                        .timesteps = std::span(all).subspan(job.step, count),
                        .label = branch.label,
                        .pooled = branch.pooled.values,
                        .extra = job.extra});
    }
  }
}

void DenoiseStep::plan(Job& job) {
  for (const JobSample& sample : job.samples) {
    for (size_t which = 0; which < job.branches.size(); ++which) {
      const JobBranch& branch = job.branches[which];
      const SampleBranch& held = sample.branches[which];
      PlannedSegment planned;
      DenoiseSegment& segment = planned.segment;
      segment.shape = job.shape;
      segment.row_count = static_cast<int32_t>(job.tokens);
      segment.context_count = branch.context_store >= 0 ? static_cast<int32_t>(branch.keys()) : 0;
      segment.input_offset = sample.latents;
      segment.output_offset = held.output_offset;
      segment.modulation =
          held.modulation_slot * DenoiseWorker::kWindow + job.step % DenoiseWorker::kWindow;
      segment.condition_keys =
          static_cast<int32_t>(branch.keys() + rules_.facts.condition_first_key);
      segment.context_store = branch.context_store;
      planned.positions = &job.positions;
      planned.condition_pages = branch.pages;
      plan_.segments.push_back(std::move(planned));
    }
  }
}

// Combinations of all jobs at the same place of their lists go in one call: they touch different
// samples, so none reads what another writes.
void DenoiseStep::append_solver_steps() {
  std::vector<std::vector<CombineEntry>> stages;
  const auto add = [&stages](size_t stage, const CombineEntry& entry) {
    if (stages.size() <= stage) stages.resize(stage + 1);
    stages[stage].push_back(entry);
  };
  for (Job* job : jobs_) {
    const int64_t elements = job->shape.elements();
    const std::vector<Combination> combinations = job->solver->step(job->step);
    const bool draws = reads_noise(combinations);
    for (JobSample& sample : job->samples) {
      if (draws) {
        std::vector<float> noise(elements);
        sample.draws->draw(NoisePurpose::kStep, job->step, noise);
        worker_.upload(sample.noise, noise);
      }
      add(0, guided_output(*job, sample));
      size_t stage = 1;
      for (const Combination& combination : combinations) {
        add(stage++, entry_of(combination, sample, elements));
      }
    }
  }
  for (const std::vector<CombineEntry>& stage : stages) worker_.combine_pool(stage);
}

}  // namespace tessera
