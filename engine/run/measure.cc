#include "engine/run/measure.h"

#include <algorithm>
#include <chrono>

namespace tessera {
namespace {

constexpr int kRepetitions = 3;

// One sequence of `rows` rows at position `position`, every page taken from the front of each pool.
StepPlan synthetic_plan(const WorkerPlan& worker, size_t sites, int32_t rows, int32_t position) {
  StepPlan plan;
  plan.verdicts.push_back(std::vector<Verdict>(sites, Verdict::kRun));
  Segment segment;
  segment.row_count = rows;
  plan.segments.push_back(segment);
  for (int32_t row = 0; row < rows; ++row) {
    plan.references.push_back(row % worker.config.vocab_size);
    plan.slots.push_back(0);
    plan.positions.push_back(position + row);
  }
  for (const AttentionGroup& from : worker.groups) {
    GroupPlan group;
    group.page_begin = {0};
    group.tail_begin = {0};
    group.tail_stride = {0};
    const int32_t pages = (position + rows + kKvBlockTokens - 1) / kKvBlockTokens;
    for (int32_t page = 0; page < pages; ++page) {
      group.pages.push_back(static_cast<int32_t>(page % from.blocks));
    }
    for (int32_t row = 0; row < rows; ++row) {
      const int32_t at = position + row;
      group.kv_slots.push_back(group.pages[at / kKvBlockTokens] * kKvBlockTokens +
                               at % kKvBlockTokens);
    }
    plan.groups.push_back(std::move(group));
  }
  plan.logit_rows = {rows - 1};
  SampleRow sample{};
  sample.forced_token = -1;
  sample.logprob_count = -1;
  sample.repetition_penalty = 1;
  sample.top_p = 1;
  sample.position = position + rows;
  plan.samples.push_back(sample);
  return plan;
}

absl::StatusOr<double> time_of(std::vector<std::unique_ptr<RankWorker>>& workers,
                               const StepPlan& plan) {
  const std::vector<std::byte> bytes = serialize(plan);
  const auto begun = std::chrono::steady_clock::now();
  for (const auto& worker : workers) {
    if (absl::Status status = worker->launch(bytes); !status.ok()) return status;
  }
  for (const auto& worker : workers) worker->collect();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

}  // namespace

absl::StatusOr<std::vector<StepSample>> measure_steps(
    std::vector<std::unique_ptr<RankWorker>>& workers, const WorkerPlan& plan,
    double budget_seconds) {
  const int64_t positions = plan.limits.positions_max;
  std::vector<std::pair<int64_t, int64_t>> shapes;  // rows, position
  for (int64_t rows = 1; rows <= std::min<int64_t>(plan.limits.rows_max, positions); rows *= 2) {
    shapes.push_back({rows, 0});
  }
  for (int64_t position = 512; position < positions && position <= 4096; position *= 2) {
    shapes.push_back({1, position});
  }
  const size_t sites = workers.front()->sites().size();
  const auto begun = std::chrono::steady_clock::now();
  const auto spent = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  };
  std::vector<StepSample> samples;
  for (const auto& [rows, position] : shapes) {
    // The first step touches pages and caches for the first time; the smallest one is repeated.
    if (!samples.empty() && spent() + 2 * kRepetitions * samples.back().seconds > budget_seconds) {
      continue;
    }
    const StepPlan step =
        synthetic_plan(plan, sites, static_cast<int32_t>(rows), static_cast<int32_t>(position));
    std::vector<double> seconds;
    for (int repetition = samples.empty() ? -1 : 0; repetition < kRepetitions; ++repetition) {
      const absl::StatusOr<double> took = time_of(workers, step);
      if (!took.ok()) return took.status();
      if (repetition >= 0) seconds.push_back(*took);
    }
    std::sort(seconds.begin(), seconds.end());
    StepSample sample;
    sample.shape.add(position, rows);
    sample.seconds = seconds[seconds.size() / 2];
    samples.push_back(sample);
  }
  return samples;
}

}  // namespace tessera
