#include "kernels/ops/norm.h"

#include "kernels/core/expect.h"
#include "kernels/ops/table.h"

namespace tessera {
namespace {

// One [M, D] part of a modulation, see norm.h.
void expect_part(const char* name, const Tensor& part, Dim& M, Dim& D) {
  if (!part.empty()) expect(name, part, {M, D}, DType::kF32);
}

// REQUIRES: R is bound.
void expect_row_mod(const Tensor& row_mod, Dim& R, const Dim& M) {
  if (!row_mod.empty()) expect("row_mod", row_mod, {R}, DType::kI32);
  if (M.bound()) CHECK_GT(M.value(), 0);
}

}  // namespace

void add_rms_norm(Stream& stream, const AddRmsNorm& a) {
  Dim T("T"), D("D"), R("R");
  expect("residual", a.residual, {T, D}, DType::kF32);
  expect("gain", a.gain, {D}, DType::kF32);
  if (!a.delta.empty()) {
    CHECK(a.rows.empty());
    expect("delta", a.delta, {T, D}, DType::kF32);
  }
  if (a.rows.empty()) {
    R.bind(T);
  } else {
    expect("rows", a.rows, {R}, DType::kI32);
  }
  expect("normed", a.normed, {R, D}, {DType::kBf16, DType::kF32});
  if (R == 0) return;
  stream.submit(stream.ops().add_rms_norm, a);
}

void add_layer_norm(Stream& stream, const AddLayerNorm& a) {
  Dim T("T"), D("D"), R("R"), M("M");
  expect("residual", a.residual, {T, D}, DType::kF32);
  if (a.rows.empty()) {
    R.bind(T);
  } else {
    expect("rows", a.rows, {R}, DType::kI32);
  }
  CHECK(a.gate.empty() || !a.delta.empty());
  CHECK(a.normalise || (a.gain.empty() && a.bias.empty() && a.scale.empty() && a.shift.empty()));
  if (!a.delta.empty()) expect("delta", a.delta, {R, D}, DType::kF32);
  expect_part("gate", a.gate, M, D);
  if (!a.gain.empty()) expect("gain", a.gain, {D}, DType::kF32);
  if (!a.bias.empty()) expect("bias", a.bias, {D}, DType::kF32);
  expect_part("scale", a.scale, M, D);
  expect_part("shift", a.shift, M, D);
  expect("normed", a.normed, {R, D}, {DType::kBf16, DType::kF32});
  expect_row_mod(a.row_mod, R, M);
  if (R == 0) return;
  stream.submit(stream.ops().add_layer_norm, a);
}

void add_rows(Stream& stream, const AddRows& a) {
  Dim T("T"), D("D"), R("R"), M("M");
  expect("residual", a.residual, {T, D}, DType::kF32);
  if (a.rows.empty()) {
    R.bind(T);
  } else {
    expect("rows", a.rows, {R}, DType::kI32);
  }
  expect("delta", a.delta, {R, D}, DType::kF32);
  expect_part("gate", a.gate, M, D);
  expect_row_mod(a.row_mod, R, M);
  if (R == 0) return;
  stream.submit(stream.ops().add_rows, a);
}

void gather_rows(Stream& stream, const GatherRows& a) {
  Dim T("T"), D("D"), R("R");
  expect("in", a.in, {T, D}, a.in.dtype);
  expect("rows", a.rows, {R}, DType::kI32);
  expect("out", a.out, {R, D}, a.out.dtype);
  CHECK_EQ(size_of(a.in.dtype), size_of(a.out.dtype));
  if (R == 0) return;
  stream.submit(stream.ops().gather_rows, a);
}

void scatter_rows(Stream& stream, const ScatterRows& a) {
  Dim T("T"), D("D"), R("R");
  expect("in", a.in, {R, D}, a.in.dtype);
  expect("rows", a.rows, {R}, DType::kI32);
  expect("out", a.out, {T, D}, a.out.dtype);
  CHECK_EQ(size_of(a.in.dtype), size_of(a.out.dtype));
  if (R == 0) return;
  stream.submit(stream.ops().scatter_rows, a);
}

}  // namespace tessera
