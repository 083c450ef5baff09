#include "kernels/ops/linear.h"

#include "kernels/core/expect.h"
#include "kernels/ops/table.h"

namespace tessera {
namespace {

void check_weight(const PackedWeight& w) {
  CHECK(w.data != nullptr);
  CHECK(w.dtype == DType::kBf16 || w.dtype == DType::kF32);
}

bool loadable(DType dtype) {
  return dtype == DType::kBf16 || dtype == DType::kF16 || dtype == DType::kF32;
}

}  // namespace

void linear(Stream& stream, const Linear& a) {
  Dim M("M"), K("K", a.w.K), N("N", a.w.N), F("F");
  check_weight(a.w);
  expect("x", a.x, {M, K}, a.w.dtype);
  if (!a.bias.empty()) expect("bias", a.bias, {N}, DType::kF32);
  expect("out", a.out, {M, a.gated ? F : N}, {DType::kF32, DType::kBf16});
  if (a.gated) {
    CHECK(a.activation.has_value());
    CHECK_EQ(a.w.N, gated_columns(F));
  }
  if (M == 0 || N == 0) return;
  stream.submit(stream.ops().linear, a);
}

void pack_weight(Stream& stream, const PackWeight& a) {
  check_weight(a.w);
  CHECK(loadable(a.source_dtype));
  CHECK_EQ(a.K, a.w.K);
  CHECK_GE(a.source_stride, a.K);
  CHECK_GE(a.N, 0);
  CHECK_GE(a.column, 0);
  CHECK_GE(a.panel_step, 1);
  CHECK(a.panel_step == 1 || a.column % kPanelColumns == 0);
  if (a.N > 0) CHECK_LT(packed_column(a, a.N - 1), a.w.N);
  if (a.N == 0) return;
  stream.submit(stream.ops().pack_weight, a);
}

void load_vector(Stream& stream, const LoadVector& a) {
  Dim N("N");
  CHECK(loadable(a.source_dtype));
  expect("out", a.out, {N}, {DType::kF32, DType::kBf16});
  if (N == 0) return;
  stream.submit(stream.ops().load_vector, a);
}

}  // namespace tessera
