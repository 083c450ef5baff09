// Cuts rows into tasks large enough to outweigh the claim of an index.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/execution.h"

namespace tessera {

// Runs body(row, thread) for every row in [0, rows), whole tasks of neighbouring rows at a time;
// `row_bytes` is what a row reads and writes.
template <class Body>
void for_each_row(Execution& execution, int64_t rows, int64_t row_bytes, Body&& body) {
  constexpr int64_t kTaskBytes = 32 * 1024;
  const int64_t rows_per_task = std::max<int64_t>(1, kTaskBytes / std::max<int64_t>(1, row_bytes));
  const int64_t tasks = (rows + rows_per_task - 1) / rows_per_task;
  execution.pool().parallel_for(tasks, [&](int64_t task, int thread) {
    const int64_t end = std::min(rows, (task + 1) * rows_per_task);
    for (int64_t row = task * rows_per_task; row < end; ++row) body(row, thread);
  });
}

}  // namespace tessera
