// Tasks on threads of their own. Any thread.
#pragma once

#include <functional>

#include "absl/status/status.h"

namespace tessera {

// Calls `task` with 0 .. count - 1, in that order, as many at a time as `threads`; returns when all
// have ended. The first error that a task returned; after it no further task begins.
absl::Status run_at_once(int count, int threads, const std::function<absl::Status(int)>& task);

}  // namespace tessera
