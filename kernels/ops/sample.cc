#include "kernels/ops/sample.h"

#include "kernels/core/expect.h"
#include "kernels/ops/table.h"

namespace tessera {

void sample(Stream& stream, const Sample& a) {
  Dim R("R"), Vp("Vp"), n("n"), slots("slots"), P("P"), paths("paths"), entries("entries");
  expect("logits", a.logits, {R, Vp}, DType::kF32);
  CHECK_GT(a.vocab_size, 0);
  CHECK_LE(a.vocab_size, Vp.value());
  expect("rows", a.rows, {n, int64_t{sizeof(SampleRow)}}, DType::kU8);
  CHECK(is_contiguous(a.rows));
  CHECK_LE(a.row_count, n.value());
  expect("history", a.history, {slots, P}, DType::kI32);
  expect("last_tokens", a.last_tokens, {slots}, DType::kI32);
  if (!a.paths.empty()) expect("paths", a.paths, {paths}, DType::kI32);
  if (!a.bias_ids.empty()) {
    expect("bias_ids", a.bias_ids, {entries}, DType::kI32);
    expect("bias_values", a.bias_values, {entries}, DType::kF32);
  }
  Dim tokens("tokens"), outputs("outputs");
  expect("tokens", a.tokens, {tokens}, DType::kI32);
  expect("logprobs", a.logprobs, {outputs, 1 + Sample::kMaxLogprobs}, DType::kF32);
  expect("logprob_ids", a.logprob_ids, {outputs, 1 + Sample::kMaxLogprobs}, DType::kI32);
  CHECK_LE(a.row_count, tokens.value());
  CHECK_LE(a.row_count, outputs.value());
  if (a.row_count == 0) return;
  stream.submit(stream.ops().sample, a);
}

void verify(Stream& stream, const Verify& a) {
  Dim n("n"), nodes("nodes"), rows("rows"), slots("slots"), P("P"), m("m");
  expect("trees", a.trees, {n, int64_t{sizeof(VerifyTree)}}, DType::kU8);
  CHECK(is_contiguous(a.trees));
  CHECK_LE(a.tree_count, n.value());
  if (a.tree_count == 0) return;
  expect("parents", a.parents, {nodes}, DType::kI32);
  expect("node_tokens", a.node_tokens, {nodes}, DType::kI32);
  expect("tokens", a.tokens, {rows}, DType::kI32);
  expect("history", a.history, {slots, P}, DType::kI32);
  expect("last_tokens", a.last_tokens, {slots}, DType::kI32);
  expect("accepted", a.accepted, {m, int64_t{Verify::kMaxPath}}, DType::kI32);
  CHECK_LE(a.tree_count, m.value());
  stream.submit(stream.ops().verify, a);
}

}  // namespace tessera
