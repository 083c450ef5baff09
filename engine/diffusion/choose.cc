#include "engine/diffusion/choose.h"

#include <algorithm>
#include <numeric>

namespace tessera {
namespace {

// A job whose deadline is nearer than this many of its steps is let before jobs of its priority.
constexpr double kUrgentSlackSteps = 4;

bool urgent(const JobView& job, const ChooseLimits& limits) {
  return job.slack_seconds < kUrgentSlackSteps * limits.cost->predict(job.next_step);
}

}  // namespace

std::vector<size_t> choose_jobs(const std::vector<JobView>& jobs, const ChooseLimits& limits) {
  std::vector<size_t> order(jobs.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t left, size_t right) {
    const JobView &a = jobs[left], &b = jobs[right];
    if (a.priority != b.priority) return a.priority > b.priority;
    const bool a_urgent = urgent(a, limits), b_urgent = urgent(b, limits);
    if (a_urgent != b_urgent) return a_urgent;
    if (a.given_seconds != b.given_seconds) return a.given_seconds < b.given_seconds;
    return a.key < b.key;
  });
  std::vector<size_t> chosen;
  int64_t rows = 0, segments = 0;
  StepShape shape;
  for (const size_t index : order) {
    const JobView& job = jobs[index];
    if (rows + job.rows > limits.rows_max || segments + job.segments > limits.segments_max)
      continue;
    StepShape with = shape;
    with.rows += job.next_step.rows;
    with.contexts += job.next_step.contexts;
    with.pairs += job.next_step.pairs;
    if (!chosen.empty() && limits.step_time_target_seconds > 0 &&
        limits.cost->predict(with) > limits.step_time_target_seconds) {
      continue;
    }
    shape = with;
    rows += job.rows;
    segments += job.segments;
    chosen.push_back(index);
  }
  return chosen;
}

}  // namespace tessera
