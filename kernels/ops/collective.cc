#include "kernels/ops/collective.h"

#include "kernels/core/expect.h"
#include "kernels/core/meeting.h"
#include "kernels/ops/table.h"

namespace tessera {

void all_reduce(Stream& stream, const AllReduce& a) {
  Dim T("T"), D("D");
  CHECK(a.meeting != nullptr && a.rank >= 0 && a.rank < a.meeting->ranks());
  expect("data", a.data, {T, D}, DType::kF32);
  if (T == 0) return;
  stream.submit(stream.ops().all_reduce, a);
}

void all_gather(Stream& stream, const AllGather& a) {
  Dim R("R"), N("N");
  CHECK(a.meeting != nullptr && a.rank >= 0 && a.rank < a.meeting->ranks());
  expect("data", a.data, {R, N}, DType::kF32);
  expect("out", a.out, {R, a.meeting->ranks() * N}, DType::kF32);
  if (R == 0) return;
  stream.submit(stream.ops().all_gather, a);
}

}  // namespace tessera
