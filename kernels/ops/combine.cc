#include "kernels/ops/combine.h"

#include "kernels/core/expect.h"
#include "kernels/ops/table.h"

namespace tessera {

void combine(Stream& stream, const Combine& a) {
  Dim N("N"), E("E");
  expect("pool", a.pool, {N}, DType::kF32);
  expect("entries", a.entries, {E, int64_t{sizeof(CombineEntry)}}, DType::kU8);
  CHECK(is_contiguous(a.entries));
  CHECK_GE(a.entry_count, 0);
  CHECK_LE(a.entry_count, E.value());
  if (a.entry_count == 0) return;
  stream.submit(stream.ops().combine, a);
}

}  // namespace tessera
