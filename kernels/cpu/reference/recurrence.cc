#include "kernels/ops/recurrence.h"

#include <cstring>

#include "kernels/cpu/reference/elements.h"
#include "kernels/cpu/reference/reference.h"

namespace tessera::reference {
namespace {

// The state after one row, and the row's output.
float advance(const GatedScan& a, int64_t row, int64_t c, float before) {
  const int64_t C = a.states.dim(1);
  const float* in = a.inputs.row<float>(row);
  const float x = in[c];
  const float keep = 1.0f / (1.0f + exp_f32(-in[C + c]));
  const float h = std::fma(keep, before - x, x);
  store_element(a.out.data, a.out.dtype, row * a.out.stride[0] + c, h * silu(in[2 * C + c]));
  return h;
}

}  // namespace

Progress gated_scan(Execution&, const GatedScan& a) {
  for (int which = 0; which < a.segment_count; ++which) {
    const StateSegment& segment = a.segments.as<StateSegment>()[which];
    const bool tree = segment.node_begin >= 0;
    const int32_t* slots = tree ? a.node_slots.as<int32_t>() + segment.node_begin : nullptr;
    const int32_t* parents = tree ? a.parents.as<int32_t>() + segment.node_begin : nullptr;
    for (int64_t c = 0; c < a.states.dim(1); ++c) {
      const auto state_of = [&](int32_t slot) -> float& { return a.states.row<float>(slot)[c]; };
      const float first = segment.from < 0 ? 0.0f : state_of(segment.from);
      float h = first;
      for (int32_t row = 0; row < segment.row_count; ++row) {
        if (tree) h = parents[row] < 0 ? first : state_of(slots[parents[row]]);
        h = advance(a, segment.row_begin + row, c, h);
        if (tree) state_of(slots[row]) = h;
      }
      if (!tree) state_of(segment.to) = h;
    }
  }
  return Progress::kDone;
}

Progress state_commit(Execution&, const StateCommit& a) {
  for (int n = 0; n < a.tree_count; ++n) {
    const int32_t* slots = a.node_slots.as<int32_t>() + a.trees.as<VerifyTree>()[n].node_begin;
    const int32_t* path = a.accepted.row<int32_t>(n);
    if (path[0] == 0) continue;
    std::memcpy(a.states.row<float>(slots[0]), a.states.row<float>(slots[path[path[0]]]),
                static_cast<size_t>(a.states.dim(1)) * sizeof(float));
  }
  return Progress::kDone;
}

}  // namespace tessera::reference
