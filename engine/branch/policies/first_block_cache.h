// First-block caching as a cache policy; see first_block_cache.cc. The header exists for the
// registry line and the test.
#pragma once

#include <memory>
#include <vector>

#include "engine/branch/cache_policy.h"

namespace tessera {

struct FirstBlockCacheParams {
  double threshold = 0.05;
  int64_t front_blocks = 1;
  int64_t back_blocks = 0;
  int64_t warmup = 1;
  int64_t max_cached = -1;
  int64_t max_consecutive = -1;

  template <class V>
  void visit(V& v) {
    v("threshold", threshold, between(-1, 10),
      "largest relative change of the front blocks at which the rest is reused; below 0 = never");
    v("front_blocks", front_blocks, between(1, 100000), "blocks that always run and are looked at");
    v("back_blocks", back_blocks, between(0, 100000), "blocks at the end that always run");
    v("warmup", warmup, between(1, 1000), "steps that run everything");
    v("max_cached", max_cached, between(-1, 1000), "most steps that reuse; -1 = any number");
    v("max_consecutive", max_consecutive, between(-1, 1000),
      "most steps in a row that reuse; -1 = any number");
  }
};

class FirstBlockCache final : public CachePolicy {
 public:
  // INVALID_ARGUMENT where the network has too few blocks.
  static MadeCachePolicy make(const FirstBlockCacheParams& params, const CacheModel& model,
                              const CacheJob& job);
  CacheVerdict decide(const CacheQuestion& question) override;

 private:
  FirstBlockCache(CachePlan plan, const FirstBlockCacheParams& params, int samples)
      : CachePolicy(std::move(plan)), params_(params), cached_(samples), consecutive_(samples) {}

  FirstBlockCacheParams params_;
  std::vector<int64_t> cached_, consecutive_;  // [samples] steps that have reused
};

}  // namespace tessera
