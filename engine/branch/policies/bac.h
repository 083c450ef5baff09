// Block-wise adaptive caching as a cache policy; see bac.cc. The header exists for the registry
// line and the test.
#pragma once

#include <memory>
#include <string>

#include "engine/branch/cache_policy.h"

namespace tessera {

struct BacParams {
  std::string schedule = "default";
  bool force_last = false;

  template <class V>
  void visit(V& v) {
    v("schedule", schedule, "name of an update schedule that came with the model");
    v("force_last", force_last, "the last step computes everything");
  }
};

struct Bac {
  // INVALID_ARGUMENT where the schedule is of another checkpoint, solver, step list or network.
  static MadeCachePolicy make(const BacParams& params, const CacheModel& model,
                              const CacheJob& job);
};

}  // namespace tessera
