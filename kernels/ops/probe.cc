#include "kernels/ops/probe.h"

#include "kernels/core/expect.h"
#include "kernels/ops/table.h"

namespace tessera {
namespace {

// Binds S.
void expect_pairs(const RowPairs& pairs, Dim& S) {
  Dim Ta("Ta"), Tb("Tb"), D("D"), n("n");
  expect("a", pairs.a, {Ta, D}, DType::kF32);
  expect("b", pairs.b, {Tb, D}, DType::kF32);
  if (!pairs.a_rows.empty()) expect("a_rows", pairs.a_rows, {n}, DType::kI32);
  if (!pairs.b_rows.empty()) expect("b_rows", pairs.b_rows, {n}, DType::kI32);
  expect("segments", pairs.segments, {S, 2}, DType::kI32);
  CHECK(is_contiguous(pairs.segments));
}

}  // namespace

void relative_l1(Stream& stream, const RelativeL1& a) {
  Dim S("S");
  expect_pairs(a.pairs, S);
  expect("out", a.out, {S, 2}, DType::kF32);
  if (S == 0) return;
  stream.submit(stream.ops().relative_l1, a);
}

void dot_products(Stream& stream, const DotProducts& a) {
  Dim S("S");
  expect_pairs(a.pairs, S);
  expect("out", a.out, {S, 3}, DType::kF32);
  if (S == 0) return;
  stream.submit(stream.ops().dot_products, a);
}

}  // namespace tessera
