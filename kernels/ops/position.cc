#include "kernels/ops/position.h"

#include "kernels/core/expect.h"
#include "kernels/ops/table.h"

namespace tessera {

void add_positions(Stream& stream, const AddPositions& a) {
  Dim T("T"), R("R"), A("A"), B("B"), Da("Da"), Db("Db");
  expect("table_a", a.table_a, {A, Da}, DType::kF32);
  CHECK_EQ(a.table_b.empty(), a.index_b.empty());
  if (a.table_b.empty()) {
    Db.bind(0);
  } else {
    expect("table_b", a.table_b, {B, Db}, DType::kF32);
  }
  expect("residual", a.residual, {T, Da + Db}, DType::kF32);
  if (a.rows.empty()) {
    R.bind(T);
  } else {
    expect("rows", a.rows, {R}, DType::kI32);
  }
  expect("index_a", a.index_a, {R}, DType::kI32);
  if (!a.index_b.empty()) expect("index_b", a.index_b, {R}, DType::kI32);
  if (R == 0) return;
  stream.submit(stream.ops().add_positions, a);
}

}  // namespace tessera
