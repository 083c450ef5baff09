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
  Dim M("M"), K("K", a.w.K), N("N", a.w.N);
  check_weight(a.w);
  expect("x", a.x, {M, K}, a.w.dtype);
  if (!a.bias.empty()) expect("bias", a.bias, {N}, DType::kF32);
  expect("out", a.out, {M, N}, {DType::kF32, DType::kBf16});
  if (M == 0 || N == 0) return;
  stream.submit(stream.ops().linear, a);
}

void swiglu(Stream& stream, const SwiGlu& a) {
  Dim M("M"), F("F");
  expect("out", a.out, {M, F}, {DType::kBf16, DType::kF32});
  expect("gate_up", a.gate_up, {M, 2 * F}, DType::kF32);
  if (M == 0 || F == 0) return;
  stream.submit(stream.ops().swiglu, a);
}

void pack_weight(Stream& stream, const PackWeight& a) {
  check_weight(a.w);
  CHECK(loadable(a.source_dtype));
  CHECK_EQ(a.K, a.w.K);
  CHECK_GE(a.source_stride, a.K);
  CHECK_GE(a.N, 0);
  CHECK_GE(a.column, 0);
  CHECK_LE(a.column + a.N, a.w.N);
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
