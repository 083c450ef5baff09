// Delta-Cache as a cache policy; see delta_cache.cc. The header exists for the registry line and
// the test.
#pragma once

#include <memory>

#include "engine/branch/cache_policy.h"

namespace tessera {

struct DeltaCacheParams {
  int64_t interval = 2;
  int64_t cached_blocks = -1;
  int64_t boundary = -1;
  bool store_both = true;
  bool force_last = false;

  template <class V>
  void visit(V& v) {
    v("interval", interval, between(1, 1000), "every n-th step runs all blocks; 1 = every step");
    v("cached_blocks", cached_blocks, between(-1, 100000),
      "consecutive blocks whose change is reused; -1 = three quarters");
    v("boundary", boundary, between(-1, 1000),
      "first step that reuses front blocks instead of rear ones; -1 = 60 % of the steps");
    v("store_both", store_both, "the rhythm goes on over the boundary; else it starts anew there");
    v("force_last", force_last, "the last step runs all blocks");
  }
};

struct DeltaCache {
  // INVALID_ARGUMENT where the network has fewer blocks.
  static MadeCachePolicy make(const DeltaCacheParams& params, const CacheModel& model,
                              const CacheJob& job);
};

}  // namespace tessera
