// From logits to tokens, on the device: sampling transforms, the draw, log-probabilities,
// verification of drafts. Every draw is a pure function of (probabilities, seed, output index,
// position, purpose).
#pragma once

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"

namespace tessera {

// How one row of logits becomes a token; plain data uploaded as bytes.
//
// Order of transforms: logit bias; repetition penalty (prompt and output), then presence and
// frequency (output only); log-probabilities of the *untransformed* logits are what is reported;
// then the candidates, in descending logit (ties: lower id first), are cut by top-k, top-p of what
// is left, min-p; the draw inverts the CDF over the candidates in that order. temperature == 0 is
// the argmax (ties: lower id), which sees bias and penalties.
//
// So that the sums of a row are exact in any order, a candidate weighs exp((y - max) / temperature)
// in units of 2^-40, rounded to nearest even. The draw takes the first candidate whose cumulative
// weight is above floor(u * total / 2^64), u being the 64 bits of `philox_bits` (philox.h).
struct SampleRow {
  int32_t logits_row;     // row of `logits`
  int32_t position;       // absolute position of the token to be drawn
  int32_t slot;           // sequence slot: history row, and where the token is stored; -1 = neither
  int32_t history_count;  // tokens of history[slot] that precede the draw
  int32_t prompt_count;   // of these, prompt tokens
  int32_t path_begin;     // draft rows: tokens after the history, paths[path_begin, +path_count)
  int32_t path_count;
  int32_t bias_begin;  // entries of bias_ids / bias_values
  int32_t bias_count;
  int32_t top_k;  // 0 = off
  float top_p;    // 1 = off
  float min_p;    // 0 = off
  float temperature;
  float repetition_penalty;  // 1 = off
  float presence_penalty;    // 0 = off
  float frequency_penalty;   // 0 = off
  uint32_t seed_low, seed_high;
  int32_t output_index;
  int32_t forced_token;   // >= 0: nothing is drawn, this token's log-probability is reported
  int32_t logprob_count;  // alternatives wanted, <= Sample::kMaxLogprobs; -1 = none at all
  int32_t store_last;     // 1: last_tokens[slot] = token
};

struct Sample {
  static constexpr int kMaxLogprobs = 20;

  Tensor logits;       // in   [R, Vp]  f32
  int64_t vocab_size;  // ids >= vocab_size are padding and never sampled
  Tensor rows;         // in   [n, sizeof(SampleRow)]  u8
  Tensor history;      // in   [slots, P]  i32
  Tensor paths;        // in   [*]  i32, may be empty
  Tensor bias_ids;     // in   [*]  i32, may be empty; -1: every id without an entry (whitelisting)
  Tensor bias_values;  // in   [*]  f32; -inf bans
  Tensor last_tokens;  // in/out  [slots]  i32
  int row_count;
  Tensor tokens;       // out  [n]  i32; -1 when the logits hold a NaN or every id is banned
  Tensor logprobs;     // out  [n, 1 + kMaxLogprobs]  f32: the token's, then the alternatives'
  Tensor logprob_ids;  // out  [n, 1 + kMaxLogprobs]  i32: the token's rank (from 1), then the ids
};
void sample(Stream&, const Sample&);

// Sample-then-match verification (rule V1): rows of a draft tree were sampled independently; walk
// from the root, and while some child carries the token drawn at its parent, descend.
struct VerifyTree {
  int32_t row_begin;  // first sample row of this tree; rows are its nodes in order, node 0 = root
  int32_t node_count;
  int32_t node_begin;  // first entry of this tree in `parents` and `node_tokens`
  int32_t slot;        // sequence slot; last_tokens[slot] and history are brought up to date
  int32_t committed;   // position of the root
};

struct Verify {
  Tensor trees;  // in   [n, sizeof(VerifyTree)]  u8
  int tree_count;
  Tensor parents;      // in   [*]  i32, parent node within the tree, -1 for the root
  Tensor node_tokens;  // in   [*]  i32
  Tensor tokens;       // in   [n]  i32  sampled per row
  Tensor history;      // in/out  [slots, P]  i32: accepted tokens are appended
  Tensor last_tokens;  // in/out  [slots]  i32: the token drawn at the last accepted node
  Tensor accepted;     // out  [n, kMaxPath]  i32: count a of accepted drafts, then nodes path[1..a]
  static constexpr int kMaxPath = 65;
};
void verify(Stream&, const Verify&);

}  // namespace tessera
