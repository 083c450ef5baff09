// How much memory is left for this process. Stateless; any thread.
#pragma once

#include <cstdint>

namespace tessera {

// Bytes a new process may still use: MemAvailable, and the cgroup's limit less its use.
uint64_t available_memory_bytes();

}  // namespace tessera
