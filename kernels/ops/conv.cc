#include "kernels/ops/conv.h"

#include "kernels/core/expect.h"
#include "kernels/ops/table.h"

namespace tessera {

void im2col(Stream& stream, const Im2Col& a) {
  Dim C("C"), R("R");
  CHECK(a.height >= 0 && a.width >= 0);
  CHECK(a.kernel > 0 && a.kernel < 64 && a.kernel % 2 == 1);
  const int64_t pixels = int64_t{a.height} * a.width;
  expect("in", a.in, {pixels, C}, {DType::kBf16, DType::kF32});
  expect("out", a.out, {R, int64_t{a.kernel} * a.kernel * C}, {DType::kBf16, a.in.dtype});
  CHECK_GE(a.first, 0);
  CHECK_LE(a.first, (a.twice ? 4 : 1) * pixels - R);
  if (R == 0) return;
  stream.submit(stream.ops().im2col, a);
}

void group_norm(Stream& stream, const GroupNorm& a) {
  Dim P("P"), C("C");
  expect("in", a.in, {P, C}, DType::kF32);
  expect("gain", a.gain, {C}, DType::kF32);
  expect("bias", a.bias, {C}, DType::kF32);
  expect("out", a.out, {P, C}, {DType::kBf16, DType::kF32});
  CHECK_GT(a.groups, 0);
  CHECK_EQ(C % a.groups, 0);
  if (a.out.data == a.in.data) {
    CHECK(a.out.dtype == DType::kF32);
    CHECK_EQ(a.out.stride[0], a.in.stride[0]);
  }
  if (P == 0 || C == 0) return;
  stream.submit(stream.ops().group_norm, a);
}

}  // namespace tessera
