#include "engine/run/measure.h"

#include <algorithm>
#include <chrono>

namespace tessera {
namespace {

constexpr int kRepetitionsMax = 5;
constexpr double kRepeatSeconds = 0.5;  // a shape is repeated while its runs took less than this
constexpr int64_t kContextMax = 4096;   // longer contexts cost in proportion

// `segments` sequences, each with `rows` rows at positions `position`...
struct MeasuredShape {
  int64_t segments = 1, rows = 1, position = 0;

  StepShape work() const {
    StepShape shape;
    for (int64_t segment = 0; segment < segments; ++segment) shape.add(position, rows);
    return shape;
  }
  int64_t pages() const {
    return (position + rows + kKvBlockTokens - 1) / kKvBlockTokens * segments;
  }
};

// Every sequence's pages lie one after the other from the front of each pool; a pool too small
// for that is gone through again, which only a lone sequence may do, as two would write one slot.
GroupPlan synthetic_group(const MeasuredShape& shape, int64_t blocks) {
  GroupPlan group;
  const int64_t pages = shape.pages() / shape.segments;
  for (int64_t segment = 0; segment < shape.segments; ++segment) {
    const size_t begin = group.pages.size();
    group.page_begin.push_back(static_cast<int32_t>(begin));
    group.tail_begin.push_back(0);
    group.tail_stride.push_back(0);
    for (int64_t page = 0; page < pages; ++page) {
      group.pages.push_back(static_cast<int32_t>((segment * pages + page) % blocks));
    }
    for (int64_t at = shape.position; at < shape.position + shape.rows; ++at) {
      group.kv_slots.push_back(static_cast<int32_t>(
          group.pages[begin + at / kKvBlockTokens] * kKvBlockTokens + at % kKvBlockTokens));
    }
  }
  return group;
}

StepPlan synthetic_plan(const WorkerPlan& worker, size_t sites, const MeasuredShape& shape) {
  StepPlan plan;
  plan.verdicts.push_back(std::vector<Verdict>(sites, Verdict::kRun));
  for (int64_t index = 0; index < shape.segments; ++index) {
    Segment segment;
    segment.slot = static_cast<int32_t>(index);
    segment.row_begin = static_cast<int32_t>(index * shape.rows);
    segment.row_count = static_cast<int32_t>(shape.rows);
    plan.segments.push_back(segment);
    for (int64_t row = 0; row < shape.rows; ++row) {
      plan.references.push_back(static_cast<int32_t>(row % worker.config.vocab_size));
      plan.slots.push_back(segment.slot);
      plan.positions.push_back(static_cast<int32_t>(shape.position + row));
    }
    if (!worker.states.layers.empty()) {
      plan.states.from.push_back(shape.position == 0 ? -1 : segment.slot);
      plan.states.to.push_back(segment.slot);
    }
    plan.logit_rows.push_back(segment.row_begin + segment.row_count - 1);
    SampleRow sample{};
    sample.slot = segment.slot;
    sample.forced_token = -1;
    sample.logprob_count = -1;
    sample.repetition_penalty = 1;
    sample.top_p = 1;
    sample.position = static_cast<int32_t>(shape.position + shape.rows);
    plan.samples.push_back(sample);
  }
  for (const AttentionGroup& from : worker.groups) {
    plan.groups.push_back(synthetic_group(shape, from.blocks));
  }
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

// Cheap shapes first: what does not fit the time is extrapolated from what did.
std::vector<MeasuredShape> shapes_of(const WorkerPlan& plan) {
  const int64_t positions = plan.limits.positions_max, rows_max = plan.limits.rows_max;
  std::vector<MeasuredShape> shapes;
  for (int64_t position = 1024; position < positions && position <= kContextMax; position *= 2) {
    shapes.push_back({1, 1, position});
  }
  int64_t company = std::min<int64_t>({8, rows_max, plan.limits.sequences_max});
  if (!plan.states.layers.empty()) company = std::min(company, plan.states.slots);
  if (company > 1 && positions > 1024) shapes.push_back({company, 1, 1024});
  for (int64_t rows = 1; rows <= std::min(rows_max, positions); rows *= 2) {
    shapes.push_back({1, rows, 0});
    // What a row costs per position is seen best where there are many rows.
    if (rows >= 32 && rows + 2048 <= positions) shapes.push_back({1, rows, 2048});
  }
  std::erase_if(shapes, [&plan](const MeasuredShape& shape) {
    return shape.segments > 1 &&
           std::any_of(plan.groups.begin(), plan.groups.end(),
                       [&shape](const auto& group) { return shape.pages() > group.blocks; });
  });
  std::stable_sort(shapes.begin(), shapes.end(),
                   [](const MeasuredShape& left, const MeasuredShape& right) {
                     return left.segments * left.rows < right.segments * right.rows;
                   });
  return shapes;
}

}  // namespace

absl::StatusOr<std::vector<StepSample>> measure_steps(
    std::vector<std::unique_ptr<RankWorker>>& workers, const WorkerPlan& plan,
    double budget_seconds) {
  const size_t sites = workers.front()->sites().size();
  const auto begun = std::chrono::steady_clock::now();
  const auto spent = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  };
  std::vector<StepSample> samples;
  // The first step touches pages and caches for the first time.
  absl::StatusOr<double> last = time_of(workers, synthetic_plan(plan, sites, {}));
  if (!last.ok()) return last.status();
  for (const MeasuredShape& shape : shapes_of(plan)) {
    // Twice the rows take at most twice the time.
    if (!samples.empty() && spent() + 2 * *last > budget_seconds) break;
    const StepPlan step = synthetic_plan(plan, sites, shape);
    std::vector<double> seconds;
    double sum = 0;
    do {
      last = time_of(workers, step);
      if (!last.ok()) return last.status();
      seconds.push_back(*last);
      sum += *last;
    } while (seconds.size() < kRepetitionsMax && sum < kRepeatSeconds);
    std::sort(seconds.begin(), seconds.end());
    samples.push_back({shape.work(), seconds[seconds.size() / 2]});
  }
  return samples;
}

}  // namespace tessera
