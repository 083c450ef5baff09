#include "kernels/ops/attention.h"

#include "kernels/core/expect.h"
#include "kernels/ops/sample.h"
#include "kernels/ops/table.h"

namespace tessera {
namespace {

constexpr int kBlock = kKvBlockTokens;

// The pages of one layer, see attention.h; `blocks` is bound.
void expect_pages(const Tensor& k, const Tensor& v, Dim& blocks, Dim& Hkv, Dim& Dh, DType dtype) {
  if (dtype == DType::kBf16) {
    expect("k_pages", k, {blocks, Hkv, Dh / 2, kBlock, 2}, dtype);
    expect("v_pages", v, {blocks, Hkv, kBlock / 2, Dh, 2}, dtype);
  } else {
    expect("k_pages", k, {blocks, Hkv, Dh, kBlock}, DType::kF32);
    expect("v_pages", v, {blocks, Hkv, kBlock, Dh}, DType::kF32);
  }
  CHECK(is_contiguous(k));
  CHECK(is_contiguous(v));
}

// The head width that the pages' shape implies.
int64_t head_width(const Tensor& k_pages) {
  CHECK(k_pages.dtype == DType::kBf16 || k_pages.dtype == DType::kF32);
  return k_pages.dtype == DType::kBf16 ? 2 * k_pages.dim(2) : k_pages.dim(2);
}

}  // namespace

void rope_and_store(Stream& stream, const RopeAndStore& a) {
  CHECK_GT(a.Hkv, 0);
  CHECK_GE(a.H, 0);
  CHECK_EQ(a.H % a.Hkv, 0);
  CHECK_EQ(a.Dh % 2, 0);
  Dim T("T"), P("P"), blocks("blocks"), H("H", a.H), Hkv("Hkv", a.Hkv), Dh("Dh", a.Dh);
  expect("qkv", a.qkv, {T, (H + 2 * Hkv) * Dh}, DType::kF32);
  if (!a.cos_sin.empty()) expect("cos_sin", a.cos_sin, {P, 2, Dh / 2}, DType::kF32);
  if (!a.cos_sin.empty() || !a.positions.empty()) {
    expect("positions", a.positions, {T}, DType::kI32);
  }
  expect("slots", a.slots, {T}, DType::kI32);
  if (!a.q_gain.empty()) expect("q_gain", a.q_gain, {Dh}, DType::kF32);
  if (!a.k_gain.empty()) expect("k_gain", a.k_gain, {Dh}, DType::kF32);
  if (a.H > 0) expect("q", a.q, {T, H, Dh}, a.k_pages.dtype);
  expect_pages(a.k_pages, a.v_pages, blocks, Hkv, Dh, a.k_pages.dtype);
  if (T == 0) return;
  stream.submit(stream.ops().rope_and_store, a);
}

void attention(Stream& stream, const Attention& a) {
  Dim T("T"), H("H"), Hkv("Hkv"), Dh("Dh"), S("S"), blocks("blocks"), pages("pages"),
      tails("tails");
  expect("q", a.q, {T, H, Dh}, {DType::kBf16, DType::kF32});
  expect("out", a.out, {T, H, Dh}, a.q.dtype);
  expect_pages(a.k_pages, a.v_pages, blocks, Hkv, Dh, a.q.dtype);
  CHECK_EQ(H % Hkv, 0);
  expect("positions", a.positions, {T}, DType::kI32);
  expect("segments", a.segments, {S, int64_t{sizeof(AttentionSegment)}}, DType::kU8);
  CHECK(is_contiguous(a.segments));
  CHECK_LE(a.segment_count, S.value());
  if (!a.pages.empty()) expect("pages", a.pages, {pages}, DType::kI32);
  if (!a.tails.empty()) expect("tails", a.tails, {tails}, DType::kI32);
  if (!a.lse.empty()) expect("lse", a.lse, {T, H}, DType::kF32);
  if (!a.relative_bias.empty()) {
    Dim offsets("offsets");
    expect("relative_bias", a.relative_bias, {H, offsets}, DType::kF32);
    CHECK_EQ(offsets % 2, 1);
  }
  if (a.spec.block_stride > 0) CHECK_GT(a.spec.block_tokens, 0);
  if (T == 0 || a.segment_count == 0) return;
  stream.submit(stream.ops().attention, a);
}

void kv_commit(Stream& stream, const KvCommit& a) {
  Dim n("n"), m("m"), nodes("nodes"), blocks("blocks"), Hkv("Hkv"), Dh("Dh", head_width(a.k_pages));
  expect_pages(a.k_pages, a.v_pages, blocks, Hkv, Dh, a.k_pages.dtype);
  expect("trees", a.trees, {n, int64_t{sizeof(VerifyTree)}}, DType::kU8);
  expect("accepted", a.accepted, {m, int64_t{Verify::kMaxPath}}, DType::kI32);
  CHECK_LE(a.tree_count, n.value());
  CHECK_LE(a.tree_count, m.value());
  if (a.tree_count == 0) return;
  expect("node_slots", a.node_slots, {nodes}, DType::kI32);
  stream.submit(stream.ops().kv_commit, a);
}

void kv_page_copy(Stream& stream, const KvPageCopy& a) {
  Dim n("n"), blocks("blocks"), Hkv("Hkv"), Dh("Dh", head_width(a.k_pages));
  expect_pages(a.k_pages, a.v_pages, blocks, Hkv, Dh, a.k_pages.dtype);
  expect("pages", a.pages, {n}, DType::kI32);
  expect("canonical", a.canonical, {n, 2, Hkv, kBlock, Dh}, a.k_pages.dtype);
  CHECK(is_contiguous(a.canonical));
  if (n == 0) return;
  stream.submit(stream.ops().kv_page_copy, a);
}

}  // namespace tessera
