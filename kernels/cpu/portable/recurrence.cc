#include "kernels/ops/recurrence.h"

#include <cstring>

#include "kernels/cpu/portable/portable.h"
#include "kernels/cpu/portable/row_tasks.h"

namespace tessera::portable {

Progress state_commit(Execution& execution, const StateCommit& a) {
  const int64_t row_bytes = a.states.dim(1) * static_cast<int64_t>(sizeof(float));
  for_each_row(execution, a.tree_count, 2 * row_bytes, [&](int64_t n, int) {
    const int32_t* slots = a.node_slots.as<int32_t>() + a.trees.as<VerifyTree>()[n].node_begin;
    const int32_t* path = a.accepted.row<int32_t>(n);
    if (path[0] == 0) return;
    std::memcpy(a.states.row<float>(slots[0]), a.states.row<float>(slots[path[path[0]]]),
                static_cast<size_t>(row_bytes));
  });
  return Progress::kDone;
}

}  // namespace tessera::portable
