// One rank's place in its tensor-parallel group, and how a model's widths are divided among ranks.
// Plain values, made at load.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "engine/weights/model_config.h"
#include "kernels/ops/collective.h"

namespace tessera {

struct Rank {
  int index = 0;
  int count = 1;
  Meeting* meeting = nullptr;  // of all ranks; null when count == 1
};

// Appends the sum of every rank's `data` [T, D] f32, in place; returns it.
Tensor sum_over_ranks(Stream& stream, const Rank& rank, const Tensor& data);

// Half-open range.
struct Slice {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
};

// What one rank holds. Query heads, state channels, ffn columns and vocabulary are split evenly; KV
// heads too, or replicated when there are more ranks than KV heads.
struct Shard {
  Slice heads;                     // of H
  Slice kv_heads;                  // of Hkv
  Slice channels;                  // of C
  Slice ffn;                       // of F
  Slice vocabulary;                // of V; the last rank's may end beyond V, in padding columns
  int64_t vocabulary_columns = 0;  // columns every rank has, for gathering
};

// INVALID_ARGUMENT names what cannot be divided: "attention heads (14) cannot be divided among 4
// ranks".
absl::StatusOr<Shard> shard_of(const ModelConfig& config, int rank, int ranks);

}  // namespace tessera
