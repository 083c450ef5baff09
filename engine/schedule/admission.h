// Whether a request may enter at all: bounded queues and prompts that could never fit. Pure; any
// thread.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "engine/cache/kv_cache.h"

namespace tessera {

struct QueueLoad {
  int64_t waiting = 0;                // sequences
  int64_t waiting_prompt_tokens = 0;  // tokens to compute before they emit
  int64_t running = 0;
};

struct QueueLimits {
  int64_t requests_max = 256;
  int64_t tokens_max = 0;  // 0 = no bound of its own
};

// RESOURCE_EXHAUSTED names the full bound. `sequences` outputs of one prompt enter together.
absl::Status check_queue(const QueueLoad& load, const QueueLimits& limits, int64_t sequences,
                         int64_t prompt_tokens);

// Most blocks of one group that a prompt holds at once while it is computed.
int64_t prompt_blocks(const GroupSpec& spec, int64_t prompt_tokens, int64_t tokens_per_step);

// RESOURCE_EXHAUSTED when the prompt alone could never be held, whatever else runs.
absl::Status check_prompt_fits(const KvCacheShape& shape, int64_t prompt_tokens,
                               int64_t tokens_per_step);

}  // namespace tessera
