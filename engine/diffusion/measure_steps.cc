#include "engine/diffusion/measure_steps.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#include "engine/diffusion/float_pool.h"
#include "engine/diffusion/step_work.h"
#include "kernels/ops/packed_weight.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMeasuredSegments = 8;
constexpr int kRepetitions = 3;
constexpr int kShareRepetitions = 9;

// One segment; all measured ones read the same latents and the same condition.
PlannedSegment planned_segment(DenoiseWorker& worker, const LatentShape& shape,
                               const PositionRows& positions) {
  const DenoiserFacts& facts = worker.denoiser().facts();
  PlannedSegment planned;
  DenoiseSegment& segment = planned.segment;
  segment.shape = shape;
  segment.row_count = static_cast<int32_t>(worker.denoiser().image_tokens(shape));
  segment.output_offset = round_up(shape.elements(), FloatPool::kAlign);
  planned.positions = &positions;
  if (facts.prompt_tokens_max == 0) return planned;
  const int64_t keys = facts.conditioning == Conditioning::kObservation
                           ? facts.prompt_tokens_max
                           : std::max<int64_t>(1, facts.prompt_tokens_max / 2);
  if (facts.context_layers > 0) {
    planned.condition_pages.resize((keys + facts.condition_first_key + kKvBlockTokens - 1) /
                                   kKvBlockTokens);
    std::iota(planned.condition_pages.begin(), planned.condition_pages.end(), 0);
  }
  worker.condition(std::vector<float>(keys * facts.prompt_width), facts.prompt_width,
                   planned.condition_pages, facts.condition_first_key, 0);
  segment.condition_keys = static_cast<int32_t>(keys + facts.condition_first_key);
  if (facts.context_stream) segment.context_count = static_cast<int32_t>(keys);
  return planned;
}

double median_seconds(DenoiseWorker& worker, const DenoisePlan& plan) {
  std::vector<double> seconds;
  for (int repetition = 0; repetition < kRepetitions; ++repetition) {
    const Clock::time_point begun = Clock::now();
    worker.launch(plan);
    worker.wait();
    seconds.push_back(std::chrono::duration<double>(Clock::now() - begun).count());
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[kRepetitions / 2];
}

}  // namespace

absl::StatusOr<CostModel> measure_steps(DenoiseWorker& worker, const LatentShape& shape,
                                        const WorkerLimits& limits) {
  const absl::StatusOr<PositionRows> positions =
      worker.denoiser().positions(shape, worker.stream());
  if (!positions.ok()) return positions.status();
  const PlannedSegment planned = planned_segment(worker, shape, *positions);
  const StepShape one =
      segment_shape(planned.segment.row_count, planned.segment.row_count / shape.frames,
                    planned.segment.context_count, planned.segment.condition_keys);
  std::vector<StepSample> samples;
  for (int count = 1; count <= std::min(kMeasuredSegments, limits.segments_max); count *= 2) {
    if (count * one.rows > limits.rows_max) break;
    DenoisePlan plan;
    plan.segments.assign(count, planned);
    samples.push_back({{count * one.rows, count * one.contexts, count * one.pairs},
                       median_seconds(worker, plan)});
  }
  return CostModel::fit(samples);
}

absl::StatusOr<std::map<std::string, double>> measure_shares(DenoiseWorker& worker,
                                                             const LatentShape& shape,
                                                             const WorkerLimits& limits) {
  const absl::StatusOr<PositionRows> positions =
      worker.denoiser().positions(shape, worker.stream());
  if (!positions.ok()) return positions.status();
  const PlannedSegment planned = planned_segment(worker, shape, *positions);
  std::map<std::string, double> shares;
  if (planned.segment.row_count + planned.segment.context_count > limits.rows_max) return shares;
  const DenoisePlan plan{{planned}};
  const std::vector<DenoiserSite> sites = worker.denoiser().sites();
  // The least by part: what disturbs a step falls on one part of it and only ever adds.
  for (int repetition = 0; repetition < kShareRepetitions; ++repetition) {
    SiteClock clock(static_cast<int>(sites.size()));
    worker.launch(plan, &clock);
    worker.wait();
    std::map<std::string, double> parts{{"ends", clock.ends_seconds()}};
    const std::vector<double> of_sites = clock.site_seconds();
    for (size_t site = 0; site < sites.size(); ++site) {
      parts[site_kind_name(sites[site].kind)] += of_sites[site];
    }
    for (const auto& [part, seconds] : parts) {
      const auto [place, added] = shares.try_emplace(part, seconds);
      if (!added) place->second = std::min(place->second, seconds);
    }
  }
  double sum = 0;
  for (const auto& [part, seconds] : shares) sum += seconds;
  for (auto& [part, share] : shares) share /= sum;
  return shares;
}

}  // namespace tessera
