#include "kernels/ops/recurrence.h"

#include "kernels/core/expect.h"
#include "kernels/ops/sample.h"
#include "kernels/ops/table.h"

namespace tessera {

void gated_scan(Stream& stream, const GatedScan& a) {
  Dim T("T"), C("C"), S("S"), slots("slots"), nodes("nodes");
  expect("out", a.out, {T, C}, {DType::kBf16, DType::kF32});
  expect("inputs", a.inputs, {T, 3 * C}, DType::kF32);
  expect("states", a.states, {slots, C}, DType::kF32);
  expect("segments", a.segments, {S, int64_t{sizeof(StateSegment)}}, DType::kU8);
  CHECK(is_contiguous(a.segments));
  CHECK_LE(a.segment_count, S.value());
  if (!a.parents.empty()) expect("parents", a.parents, {nodes}, DType::kI32);
  if (!a.node_slots.empty()) expect("node_slots", a.node_slots, {nodes}, DType::kI32);
  if (T == 0 || C == 0 || a.segment_count == 0) return;
  stream.submit(stream.ops().gated_scan, a);
}

void state_commit(Stream& stream, const StateCommit& a) {
  Dim n("n"), m("m"), C("C"), slots("slots"), nodes("nodes");
  expect("states", a.states, {slots, C}, DType::kF32);
  expect("trees", a.trees, {n, int64_t{sizeof(VerifyTree)}}, DType::kU8);
  expect("accepted", a.accepted, {m, int64_t{Verify::kMaxPath}}, DType::kI32);
  CHECK_LE(a.tree_count, n.value());
  CHECK_LE(a.tree_count, m.value());
  if (a.tree_count == 0) return;
  expect("node_slots", a.node_slots, {nodes}, DType::kI32);
  stream.submit(stream.ops().state_commit, a);
}

}  // namespace tessera
