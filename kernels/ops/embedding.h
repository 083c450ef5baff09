// From token references to the residual stream.
#pragma once

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"
#include "kernels/ops/packed_weight.h"

namespace tessera {

// Resolves the step's token references on the device and records them as history.
//   reference >= 0: a literal token id.  reference < 0: the token last sampled for slot -(reference
//   + 1).
// Row t of slot slots[t] >= 0 also sets history[slot][positions[t]] = tokens[t] (rows of a draft
// tree carry slot -1: they are not history until they are committed).
struct ResolveTokens {
  Tensor references;   // in      [T]         i32
  Tensor slots;        // in      [T]         i32, -1 = no history
  Tensor positions;    // in      [T]         i32
  Tensor last_tokens;  // in      [slots]     i32
  Tensor history;      // in/out  [slots, P]  i32
  Tensor tokens;       // out     [T]         i32
};
void resolve_tokens(Stream&, const ResolveTokens&);

// residual[t] = table column tokens[t] (the embedding shares its storage with a tied output head).
// Tokens outside [first, first + table.N) give zeros: a rank of a vocabulary-parallel table.
struct Embed {
  Tensor tokens;       // in   [T]     i32
  PackedWeight table;  //      [D, V]  K = D, N = this rank's ids
  int64_t first = 0;   // id of column 0
  Tensor residual;     // out  [T, D]  f32
};
void embed(Stream&, const Embed&);

}  // namespace tessera
