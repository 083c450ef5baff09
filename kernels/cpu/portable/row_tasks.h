// Cuts rows into tasks large enough to outweigh the claim of an index.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/execution.h"

namespace tessera {

// How many neighbouring rows make a task; `row_bytes` is what a row reads and writes.
inline int64_t rows_per_task(int64_t row_bytes) {
  constexpr int64_t kTaskBytes = 32 * 1024;
  return std::max<int64_t>(1, kTaskBytes / std::max<int64_t>(1, row_bytes));
}

// Runs body(row, thread) for every row in [0, rows), whole tasks of neighbouring rows at a time,
// as even as they can be.
template <class Body>
void for_each_row(Execution& execution, int64_t rows, int64_t row_bytes, Body&& body) {
  const int64_t most = rows_per_task(row_bytes);
  const int64_t tasks = (rows + most - 1) / most;
  execution.pool().parallel_for(tasks, [&](int64_t task, int thread) {
    const int64_t end = (task + 1) * rows / tasks;
    for (int64_t row = task * rows / tasks; row < end; ++row) body(row, thread);
  });
}

}  // namespace tessera
