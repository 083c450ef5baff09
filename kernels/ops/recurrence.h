// Layers that keep a state of constant size for each sequence instead of KV pages. A state slot is
// one row of `states` [slots, C] f32 of one layer. Plain rows advance their slot in place; the rows
// of a draft tree leave the state after each of them in a slot of its own, until `state_commit`
// makes that of the last accepted row the sequence's.
#pragma once

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"

namespace tessera {

// One run of rows of one sequence; plain data uploaded as bytes.
struct StateSegment {
  int32_t row_begin;  // first row in the step
  int32_t row_count;
  int32_t from;        // slot of the state before the first row; -1 = zeros
  int32_t to;          // plain rows: slot of the state after the last row, may be `from`
  int32_t node_begin;  // tree rows: entry of the first row in `parents` and `node_slots`. Plain: -1
};

// A gated linear recurrence, channel by channel. With x, z, g of row t, and h' the state before it:
//   a = 1 / (1 + exp(-z));  h = fma(a, h' - x, x), which is a h' + (1 - a) x;  out = h silu(g)
// In a tree h' is the state after the row's parent, and row r leaves h in slot
// node_slots[node_begin + r]; the root begins from `from`. Segments count in order: one may begin
// with what an earlier one left.
struct GatedScan {
  Tensor inputs;      // in      [T, 3C]  f32: x, then z, then g
  Tensor segments;    // in      [S, sizeof(StateSegment)]  u8
  Tensor parents;     // in      [*]  i32  row within the tree, -1 = the root; empty without trees
  Tensor node_slots;  // in      [*]  i32; empty without trees
  int segment_count;
  Tensor states;  // in/out  [slots, C]  f32
  Tensor out;     // out     [T, C]  bf16 | f32. Rows of no segment are untouched
};
void gated_scan(Stream&, const GatedScan&);

// Commits the accepted path of each verified tree in one layer: the state after its last accepted
// draft moves to the root's slot. Where nothing was accepted the root's own state stays.
struct StateCommit {
  Tensor states;  // in/out  [slots, C]  f32
  Tensor trees;   // in  [n, sizeof(VerifyTree)]  u8, see sample.h
  int tree_count;
  Tensor node_slots;  // in  [*]  i32
  Tensor accepted;    // in  [n, Verify::kMaxPath]  i32, written by `verify`
};
void state_commit(Stream&, const StateCommit&);

}  // namespace tessera
