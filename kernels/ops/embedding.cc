#include "kernels/ops/embedding.h"

#include "kernels/core/expect.h"
#include "kernels/ops/table.h"

namespace tessera {

void resolve_tokens(Stream& stream, const ResolveTokens& a) {
  Dim T("T"), slots("slots"), P("P");
  expect("references", a.references, {T}, DType::kI32);
  expect("slots", a.slots, {T}, DType::kI32);
  expect("positions", a.positions, {T}, DType::kI32);
  expect("tokens", a.tokens, {T}, DType::kI32);
  expect("history", a.history, {slots, P}, DType::kI32);
  expect("last_tokens", a.last_tokens, {slots}, DType::kI32);
  if (T == 0) return;
  stream.submit(stream.ops().resolve_tokens, a);
}

void embed(Stream& stream, const Embed& a) {
  Dim T("T"), D("D", a.table.K);
  CHECK(a.table.data != nullptr);
  expect("tokens", a.tokens, {T}, DType::kI32);
  expect("residual", a.residual, {T, D}, DType::kF32);
  if (T == 0) return;
  stream.submit(stream.ops().embed, a);
}

}  // namespace tessera
