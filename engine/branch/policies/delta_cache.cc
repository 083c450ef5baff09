// Delta-Cache of Delta-DiT (Chen, Ye, Fang, Ma, Bouganis, Zhao, et al., 2024). What a range of
// blocks adds to the stream changes little over a few steps, while its input must not be lost:
// reuse the sum it added. Rear blocks draw details, so they are reused while the outline forms;
// front blocks draw the outline, so they are reused after the boundary.
#include "engine/branch/policies/delta_cache.h"

#include <array>

#include "engine/weights/message.h"

namespace tessera {
namespace {

bool whole(const CachePlan& plan, int step) {
  for (int site = plan.sites; site < plan.all_sites(); ++site) {
    if (plan.at(site, step) == CacheVerdict::kReuse) return false;
  }
  return true;
}

// Each range is kept by the last whole step before it is reused. That need not be the step before:
// at the boundary the other range may be reused in between.
void keep_ranges(CachePlan& plan) {
  for (int site = plan.sites; site < plan.all_sites(); ++site) {
    bool needed = false;
    for (int step = plan.steps - 1; step >= 0; --step) {
      if (plan.at(site, step) == CacheVerdict::kReuse) {
        needed = true;
      } else if (needed && whole(plan, step)) {
        plan.at(site, step) = CacheVerdict::kComputeAndKeep;
        needed = false;
      }
    }
  }
}

}  // namespace

MadeCachePolicy DeltaCache::make(const DeltaCacheParams& params, const CacheModel& model,
                                 const CacheJob& job) {
  const int64_t cached = params.cached_blocks < 0 ? model.blocks * 3 / 4 : params.cached_blocks;
  if (cached > model.blocks) {
    return absl::InvalidArgumentError(
        concat("delta_cache.cached_blocks is ", cached, ", must be in [-1, ", model.blocks, "]"));
  }
  CachePlan plan(model, job);
  if (cached == 0 || params.interval == 1) {
    return std::make_unique<CachePolicy>(std::move(plan));
  }
  const int64_t boundary = params.boundary < 0 ? (plan.steps * 3 + 2) / 5 : params.boundary;
  const int blocks = static_cast<int>(cached);
  std::array<int, 2> sites{-1, -1};  // of the rear and the front range, once one is reused
  int64_t stage_start = 0;
  for (int step = 0; step < plan.steps; ++step) {
    if (step == boundary && !params.store_both) stage_start = step;
    if ((step - stage_start) % params.interval == 0) continue;
    if (params.force_last && step == plan.steps - 1) continue;
    const bool late = step >= boundary;
    int& site = sites[late ? 1 : 0];
    if (site < 0) {
      site = plan.add_range(late ? CacheRange{0, blocks - 1}
                                 : CacheRange{model.blocks - blocks, model.blocks - 1});
    }
    plan.at(site, step) = CacheVerdict::kReuse;
  }
  keep_ranges(plan);
  return std::make_unique<CachePolicy>(std::move(plan));
}

}  // namespace tessera
