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
  uint64_t weights = 0, kv = 0, scratch = 0;  // bytes, all ranks together
  uint64_t available = 0;  // before loading: free memory within the cgroup's limit
  int64_t kv_tokens = 0;   // positions the KV pool holds
  uint64_t total() const { return weights + kv + scratch; }
  std::string table() const;
};

// Bytes a new process may still use: MemAvailable, and the cgroup's limit less its use.
uint64_t available_memory_bytes();

// Sets the block counts of `plan.groups` and returns the table. RESOURCE_EXHAUSTED when weights and
// scratch do not fit, or the KV pool cannot hold one sequence of `context_tokens`.
absl::StatusOr<MemoryPlan> plan_memory(const KvCacheSettings& settings, int ranks,
                                       WorkerPlan& plan);

}  // namespace tessera
