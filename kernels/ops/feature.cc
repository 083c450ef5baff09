#include "kernels/ops/feature.h"

#include "kernels/core/expect.h"
#include "kernels/ops/table.h"

namespace tessera {
namespace {

// REQUIRES: n is bound.
void expect_gate(const Tensor& gate, const Tensor& row_mod, Dim& n, Dim& D) {
  Dim M("M");
  if (!gate.empty()) {
    expect("gate", gate, {M, D}, DType::kF32);
    CHECK_GT(M.value(), 0);
  }
  if (!row_mod.empty()) expect("row_mod", row_mod, {n}, DType::kI32);
}

// A list of n rows; without it the rows are the first n of `count`.
void expect_index(const char* name, const Tensor& index, Dim& n, const Dim& count) {
  if (index.empty()) {
    CHECK_LE(n.value(), count.value());
  } else {
    expect(name, index, {n}, DType::kI32);
  }
}

}  // namespace

void feature_put(Stream& stream, const FeaturePut& a) {
  Dim T("T'"), D("D"), n("n"), S("S");
  expect("rows", a.rows, {T, D}, DType::kF32);
  expect("slots", a.slots, {n}, DType::kI32);
  expect_index("index", a.index, n, T);
  expect_gate(a.gate, a.row_mod, n, D);
  expect("store", a.store, {S, D}, DType::kF32);
  if (n == 0) return;
  stream.submit(stream.ops().feature_put, a);
}

void feature_add(Stream& stream, const FeatureAdd& a) {
  Dim T("T"), D("D"), n("n"), S("S");
  expect("store", a.store, {S, D}, DType::kF32);
  expect("slots", a.slots, {n}, DType::kI32);
  expect_gate(a.gate, a.row_mod, n, D);
  expect("residual", a.residual, {T, D}, DType::kF32);
  expect_index("rows", a.rows, n, T);
  if (n == 0) return;
  stream.submit(stream.ops().feature_add, a);
}

}  // namespace tessera
