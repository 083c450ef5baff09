#include "kernels/ops/activation.h"

#include "kernels/core/expect.h"
#include "kernels/ops/table.h"

namespace tessera {

void activate(Stream& stream, const Activate& a) {
  Dim M("M"), F("F");
  expect("out", a.out, {M, F}, {DType::kBf16, DType::kF32});
  expect("in", a.in, {M, F}, DType::kF32);
  if (a.out.data == a.in.data) {
    CHECK(a.out.dtype == DType::kF32);
    CHECK_EQ(a.out.stride[0], a.in.stride[0]);
  }
  if (M == 0 || F == 0) return;
  stream.submit(stream.ops().activate, a);
}

}  // namespace tessera
