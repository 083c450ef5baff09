#include "engine/diffusion/step_work.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/core/check.h"

namespace tessera {
namespace {

int64_t offset_of(Operand operand, const JobSample& sample) {
  int64_t offset = FloatPool::kNone;
  switch (operand) {
    case Operand::kLatents:
      offset = sample.latents;
      break;
    case Operand::kOutput:
      offset = sample.output;
      break;
    case Operand::kNoise:
      offset = sample.noise;
      break;
    case Operand::kDenoised:
      offset = sample.denoised;
      break;
    case Operand::kHistory0:
      offset = sample.history[0];
      break;
    case Operand::kHistory1:
      offset = sample.history[1];
      break;
  }
  CHECK(offset != FloatPool::kNone);  // a solver that uses what it did not say it needs
  return offset;
}

StepShape shape_of_share(const Job& job, double share) {
  StepShape shape;
  const int64_t meeting = job.tokens / job.shape.frames;  // rows of a frame meet
  for (size_t sample = 0; sample < job.samples.size(); ++sample) {
    for (size_t which = 0; which < job.running_branches(sample); ++which) {
      const JobBranch& branch = job.branches[which];
      const int64_t context = job.plan.has_context ? branch.keys() : 0;
      const StepShape one = segment_shape(job.tokens, meeting, context, branch.keys());
      shape.rows += one.rows;
      shape.contexts += one.contexts;
      shape.pairs += one.pairs;
    }
  }
  for (int64_t* count : {&shape.rows, &shape.contexts, &shape.pairs}) {
    *count = std::max<int64_t>(1, std::llround(share * static_cast<double>(*count)));
  }
  return shape;
}

}  // namespace

StepShape segment_shape(int64_t rows, int64_t meeting, int64_t context, int64_t keys) {
  StepShape shape;
  shape.rows = rows + context;
  shape.contexts = rows + context + keys;
  shape.pairs = (rows + context) * (meeting + context + keys);
  return shape;
}

StepShape step_shape(const Job& job) {
  const std::vector<double>& shares = job.plan.compute_share;
  return shape_of_share(job, shares.empty() ? 1 : shares[job.step]);
}

StepShape mean_step_shape(const Job& job, int from) {
  const std::vector<double>& shares = job.plan.compute_share;
  if (shares.empty()) return shape_of_share(job, 1);
  const double sum = std::accumulate(shares.begin() + from, shares.end(), 0.0);
  return shape_of_share(job, sum / (job.steps() - from));
}

CombineEntry guided_output(const Job& job, size_t sample) {
  const JobSample& held = job.samples[sample];
  CombineEntry entry{};
  entry.out_offset = held.output;
  entry.count = job.shape.elements();
  entry.in_offset[0] = held.branches[0].output_offset;
  entry.coefficient[0] = 1;
  entry.terms = 1;
  if (job.running_branches(sample) > 1) {
    const GuidanceMix mix = job.guidance->mix();
    entry.coefficient[0] = mix.conditional;
    entry.in_offset[1] = held.branches[1].output_offset;
    entry.coefficient[1] = mix.unconditional;
    entry.terms = 2;
  }
  return entry;
}

CombineEntry predicted_latents(const Job& job, const JobSample& sample, size_t branch,
                               int64_t out) {
  const Combination denoised = job.solver->denoised(job.step);
  CombineEntry entry = entry_of(denoised, sample, job.shape.elements());
  entry.out_offset = out;
  for (size_t term = 0; term < denoised.terms.size(); ++term) {
    if (denoised.terms[term].operand != Operand::kOutput) continue;
    entry.in_offset[term] = sample.branches[branch].output_offset;
  }
  return entry;
}

bool shows_preview(const Job& job) { return previews_after(job, job.step + 1); }

bool previews_after(const Job& job, int done) {
  const int64_t every = job.request.preview_steps;
  return every > 0 && done % every == 0 && done < job.steps();
}

CombineEntry entry_of(const Combination& combination, const JobSample& sample, int64_t elements) {
  CombineEntry entry{};
  entry.out_offset = offset_of(combination.out, sample);
  entry.count = elements;
  entry.terms = static_cast<int32_t>(combination.terms.size());
  CHECK_LE(combination.terms.size(), static_cast<size_t>(CombineEntry::kMaxTerms));
  for (size_t term = 0; term < combination.terms.size(); ++term) {
    entry.in_offset[term] = offset_of(combination.terms[term].operand, sample);
    entry.coefficient[term] = combination.terms[term].coefficient;
  }
  entry.clip = combination.clip;
  return entry;
}

}  // namespace tessera
