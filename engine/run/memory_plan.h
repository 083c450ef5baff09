// What an engine will need, worked out from shapes alone before anything is loaded, and whether the
// machine has it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/api/engine_config.h"
#include "engine/run/rank_worker.h"

namespace tessera {

struct MemoryPlan {
  uint64_t weights = 0, kv = 0, states = 0, scratch = 0;  // bytes, all ranks together
  uint64_t available = 0;   // before loading: free memory within the cgroup's limit
  int64_t kv_tokens = 0;    // positions the KV pool holds
  int64_t state_slots = 0;  // of recurrent layers
  uint64_t total() const { return weights + kv + states + scratch; }
  std::string table() const;
};

// Sets the block counts of `plan.groups` and the slots of `plan.states`, for `seqs_max` sequences
// at once, and returns the table. RESOURCE_EXHAUSTED when weights and scratch do not fit, or the KV
// pool cannot hold two pages or no state slot.
absl::StatusOr<MemoryPlan> plan_memory(const KvCacheSettings& settings, int64_t seqs_max, int ranks,
                                       WorkerPlan& plan);

}  // namespace tessera
