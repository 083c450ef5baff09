#include "engine/diffusion/step_work.h"

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

}  // namespace

StepShape step_shape(const Job& job) {
  StepShape shape;
  const int64_t meeting = job.tokens / job.shape.frames;  // rows of a frame meet
  for (const JobBranch& branch : job.branches) {
    const int64_t context = branch.context_store >= 0 ? branch.keys() : 0;
    shape.rows += job.tokens + context;
    shape.contexts += job.tokens + context + branch.keys();
    shape.pairs += (job.tokens + context) * (meeting + context + branch.keys());
  }
  const int64_t samples = static_cast<int64_t>(job.samples.size());
  shape.rows *= samples;
  shape.contexts *= samples;
  shape.pairs *= samples;
  return shape;
}

CombineEntry guided_output(const Job& job, const JobSample& sample) {
  CombineEntry entry{};
  entry.out_offset = sample.output;
  entry.count = job.shape.elements();
  entry.in_offset[0] = sample.branches[0].output_offset;
  entry.coefficient[0] = 1;
  entry.terms = 1;
  if (sample.branches.size() > 1) {
    const GuidanceMix mix = job.guidance->mix();
    entry.coefficient[0] = mix.conditional;
    entry.in_offset[1] = sample.branches[1].output_offset;
    entry.coefficient[1] = mix.unconditional;
    entry.terms = 2;
  }
  return entry;
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
