#include "engine/diffusion/job_parts.h"

#include "absl/strings/str_cat.h"

namespace tessera {
namespace {

// By which the job's samples exceed a step or the pools, in words; empty when they fit.
std::string excess_of(const JobRules& rules, const Job& job) {
  const std::string excess = JobLedger::needs(job).excess(rules.pools);
  if (!excess.empty()) return excess;
  if (job.rows() > rules.rows_max) {
    return absl::StrCat("has ", job.rows(), " token rows, a step holds at most ", rules.rows_max);
  }
  if (job.segments() > rules.segments_max) {
    return absl::StrCat("has ", job.segments(), " samples times guidance branches, a step holds ",
                        "at most ", rules.segments_max);
  }
  return "";
}

}  // namespace

absl::Status divide(const JobRules& rules, Job& job) {
  job.samples.resize(job.n);
  for (std::string excess = excess_of(rules, job); !excess.empty();
       excess = excess_of(rules, job)) {
    if (job.samples.size() == 1) {
      return absl::ResourceExhaustedError(
          absl::StrCat(job.n > 1 ? "one sample of the request " : "the request ", excess));
    }
    job.samples.pop_back();
  }
  job.part_samples_max = static_cast<int64_t>(job.samples.size());
  begin_part(job, 0);
  return absl::OkStatus();
}

void begin_part(Job& job, int64_t first) {
  const int64_t left = job.n - first;
  const int64_t parts = (left + job.part_samples_max - 1) / job.part_samples_max;
  const int64_t count = (left + parts - 1) / parts;
  job.samples.clear();
  for (int64_t index = first; index < first + count; ++index) {
    JobSample sample;
    sample.index = static_cast<int>(index);
    sample.draws.emplace(job.noise, job.seed, sample.index);
    sample.branches.resize(job.branches.size());
    job.samples.push_back(std::move(sample));
  }
  job.step = 0;
}

int steps_in_all(const Job& job, int done) {
  const int64_t before = job.samples.front().index;
  const int64_t now = static_cast<int64_t>(job.samples.size());
  return static_cast<int>((before * job.steps() + now * done) / job.n);
}

}  // namespace tessera
