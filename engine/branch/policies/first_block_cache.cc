// First-block caching (FBCache; with more blocks in front and some behind it is DBCache). The first
// blocks run at every step. If what they add has hardly changed since it was kept, neither will
// what the rest adds: reuse that. One decision holds for both guidance branches of a sample, so
// that their difference stays meaningful.
#include "engine/branch/policies/first_block_cache.h"

#include "engine/weights/message.h"

namespace tessera {

MadeCachePolicy FirstBlockCache::make(const FirstBlockCacheParams& params, const CacheModel& model,
                                      const CacheJob& job) {
  CachePlan plan(model, job);
  if (params.front_blocks >= model.blocks) {
    return absl::InvalidArgumentError(concat("first_block_cache.front_blocks is ",
                                             params.front_blocks, ", must be in [1, ",
                                             model.blocks - 1, "]"));
  }
  const int64_t back_most = model.blocks - 1 - params.front_blocks;
  if (params.back_blocks > back_most) {
    return absl::InvalidArgumentError(concat("first_block_cache.back_blocks is ",
                                             params.back_blocks, ", must be in [0, ", back_most,
                                             "]"));
  }
  if (params.threshold < 0 || params.max_cached == 0 || params.max_consecutive == 0 ||
      params.warmup >= plan.steps) {
    return std::make_unique<CachePolicy>(std::move(plan));
  }
  const int front = static_cast<int>(params.front_blocks);
  const int probe = plan.add_range({0, front - 1});
  const int range =
      plan.add_range({front, model.blocks - 1 - static_cast<int>(params.back_blocks)});
  for (int site : {probe, range}) {
    const int warmup = static_cast<int>(params.warmup);
    plan.at(site, warmup - 1) = CacheVerdict::kComputeAndKeep;
    for (int step = warmup; step < plan.steps; ++step) plan.at(site, step) = CacheVerdict::kAsk;
  }
  plan.cuts.push_back({.before_block = front, .probe = probe, .range = range});
  return std::unique_ptr<CachePolicy>(new FirstBlockCache(std::move(plan), params, job.samples));
}

CacheVerdict FirstBlockCache::decide(const CacheQuestion& question) {
  RangeChange all;
  for (const RangeChange& branch : question.branches) {
    all.difference += branch.difference;
    all.kept += branch.kept;
  }
  int64_t& cached = cached_[question.sample];
  int64_t& consecutive = consecutive_[question.sample];
  const bool may = (params_.max_cached < 0 || cached < params_.max_cached) &&
                   (params_.max_consecutive < 0 || consecutive < params_.max_consecutive);
  // False where a sum is not a number; nothing kept and nothing changed is not a number either.
  if (may && all.difference / all.kept <= params_.threshold) {
    ++cached;
    ++consecutive;
    return CacheVerdict::kReuse;
  }
  consecutive = 0;
  const bool useful = question.step + 1 < plan().steps;
  return useful ? CacheVerdict::kComputeAndKeep : CacheVerdict::kCompute;
}

}  // namespace tessera
