// Rotary embedding, KV pages and attention.
//
// A KV page holds kKvBlockTokens tokens of one layer and all its KV heads. Both halves are panels,
// so that q.k and p.v are the dot of linear.h:
//   K [blocks, Hkv, Dh/2, 16, 2]  bf16: 16 keys are the columns of a panel of depth Dh
//   V [blocks, Hkv, 8, Dh, 2]     bf16: consecutive keys form the pairs; Dh columns, depth 16 keys
// and in f32: K [blocks, Hkv, Dh, 16], V [blocks, Hkv, 16, Dh]. A KV slot is block * 16 + token.
#pragma once

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"

namespace tessera {

constexpr int kKvBlockTokens = 16;

// Splits qkv, normalises heads where the model does (Qwen3), rotates q and k by position, writes q
// out and k, v to their slots. Rotation pairs (d, d + Dh/2): the Hugging Face "rotate half" form.
// Without queries (H = 0) only keys and values are stored, as for cross attention.
struct RopeAndStore {
  Tensor qkv;        // in   [T, (H + 2*Hkv) * Dh]  f32: q heads, then k heads, then v heads
  Tensor positions;  // in   [T]         i32; may be empty without cos_sin
  Tensor cos_sin;    // in   [P, 2, Dh/2]  f32: cosines then sines of each position (attention scale
                     //                  of yarn included); empty: no rotation
  Tensor q_gain;     // in   [Dh]        f32 or empty: RMS norm of each q head before rotation
  Tensor k_gain;     // in   [Dh]        f32 or empty
  float norm_eps;
  Tensor slots;  // in   [T]         i32; -1 = store nothing
  int H, Hkv, Dh;
  Tensor q;        // out  [T, H, Dh]  bf16 | f32 (as the KV dtype); empty when H = 0
  Tensor k_pages;  // out  as above
  Tensor v_pages;  // out  as above
};
void rope_and_store(Stream&, const RopeAndStore&);

// Who attends to what, the same for a whole attention group. Key position j is visible from query
// position i when j <= i and (window == 0, or i - j < window, or j < sink, or block_stride > 0 and
// (j / block_tokens) % block_stride == 0).
struct AttentionSpec {
  int window = 0;        // tokens, the query itself included; 0 = all
  int sink = 0;          // first tokens that stay visible
  int block_stride = 0;  // every block_stride-th block of block_tokens stays visible; 0 = none
  int block_tokens = 0;
  friend bool operator==(const AttentionSpec&, const AttentionSpec&) = default;
};

// One run of rows of one sequence; plain data uploaded as bytes.
struct AttentionSegment {
  int32_t row_begin;  // first row in the step
  int32_t row_count;
  int32_t page_begin;   // index into `pages` of the page that holds position 0. Pages that were
                        // freed (outside a window) hold -1 there and are never read
  int32_t committed;    // tree rows: positions below this come from pages in order. Plain rows: -1
  int32_t tail_begin;   // tree rows: index into `tails` of this segment's [row_count, tail_stride]
  int32_t tail_stride;  // entry (r, d) is the KV slot that row r sees at position committed + d
};

// Softmax(scale * q k^T) v per row and head, query heads grouped over KV heads (head h reads KV
// head h / (H / Hkv)). A row whose position is the last key's sees all keys. With `relative_bias`
// a score is fma(scale, q.k, bias[h][key position - query index + P - 1]), the query's index being
// its row's in the segment (T5).
//
// Reduction order, the same for any batch, chunking and thread count. Keys are taken in tiles of
// kAttentionTile and tiles in spans of kAttentionSpan, both anchored at position 0; absent keys
// count as p = 0, v = 0. A span starts from maximum -inf, sum 0 and output 0. Per tile the running
// maximum is raised, sum and output are rescaled by exp(old - new), then p = exp(s - max) is
// rounded to the KV dtype, added to the sum in ascending key order on 16 fixed lanes, and p.v added
// by the dot of linear.h over blocks of 32 keys. At its end the span's lanes are added pairwise as
// in norm.h, and the span joins the spans before it: with m the greater maximum, a = exp(maximum -
// m) and b = exp(span maximum - m), sum = fma(span sum, b, sum * a) and so the output. The result
// is output / sum + 0, so that a zero is positive. A tile or span without a visible key is skipped
// without changing a bit. So spans of one row can be reduced by different threads.
constexpr int kAttentionTile = 64;
constexpr int kAttentionSpan = 512;

struct Attention {
  Tensor q;          // in   [T, H, Dh]  bf16 | f32
  Tensor k_pages;    // in
  Tensor v_pages;    // in
  Tensor segments;   // in   [S, sizeof(AttentionSegment)]  u8
  Tensor positions;  // in   [T]  i32  query positions
  Tensor pages;      // in   [*]  i32  page ids of all segments
  Tensor tails;      // in   [*]  i32  KV slots, see AttentionSegment; empty without trees
  int segment_count;
  AttentionSpec spec;
  float scale;
  Tensor out;              // out  [T, H, Dh]  as q. Rows of no segment are untouched
  Tensor lse;              // out  [T, H]  f32 or empty: log of the sum of exponentials
  Tensor relative_bias{};  // in  [H, 2P - 1]  f32 or empty; P exceeds every row index and position
};
void attention(Stream&, const Attention&);

// Commits the accepted path of each verified tree in one layer: node path[d] of the tree moves to
// where position committed + d belongs, which is the slot of node d (nodes were given ascending
// positions' slots). Ascending d makes the move safe in place: path[d] >= d.
struct KvCommit {
  Tensor k_pages;  // in/out
  Tensor v_pages;  // in/out
  Tensor trees;    // in  [n, sizeof(VerifyTree)]  u8, see sample.h
  int tree_count;
  Tensor node_slots;  // in  [*]  i32  KV slot of each node in this attention group
  Tensor accepted;    // in  [n, Verify::kMaxPath]  i32, written by `verify`
};
void kv_commit(Stream&, const KvCommit&);

// Copies one page, or converts it from or to the canonical form [k|v][Hkv][16][Dh] for
// export/import.
struct KvPageCopy {
  Tensor k_pages, v_pages;  // in/out
  Tensor pages;             // in   [n]  i32 page ids
  Tensor canonical;         // out (export) / in (import)  [n, 2, Hkv, 16, Dh]  as the pages
  bool import;
};
void kv_page_copy(Stream&, const KvPageCopy&);

}  // namespace tessera
