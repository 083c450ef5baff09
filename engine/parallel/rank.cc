#include "engine/parallel/rank.h"

#include <algorithm>
#include <string>

#include "kernels/ops/packed_weight.h"

namespace tessera {
namespace {

absl::Status indivisible(const std::string& what, int count, int ranks) {
  return absl::InvalidArgumentError(what + " (" + std::to_string(count) +
                                    ") cannot be divided among " + std::to_string(ranks) +
                                    " ranks");
}

Slice even_slice(int64_t total, int rank, int ranks) {
  return {total / ranks * rank, total / ranks * (rank + 1)};
}

}  // namespace

Tensor sum_over_ranks(Stream& stream, const Rank& rank, const Tensor& data) {
  if (rank.count > 1) {
    all_reduce(stream, {.meeting = rank.meeting, .rank = rank.index, .data = data});
  }
  return data;
}

absl::StatusOr<Shard> shard_of(const ModelConfig& config, int rank, int ranks) {
  if (config.heads % ranks != 0) return indivisible("attention heads", config.heads, ranks);
  if (config.kv_heads % ranks != 0 && ranks % config.kv_heads != 0) {
    return indivisible("KV heads", config.kv_heads, ranks);
  }
  if (config.state_width % ranks != 0) {
    return indivisible("state channels", config.state_width, ranks);
  }
  if (config.ffn_width % ranks != 0) return indivisible("ffn width", config.ffn_width, ranks);
  Shard shard;
  shard.heads = even_slice(config.heads, rank, ranks);
  if (config.kv_heads % ranks == 0) {
    shard.kv_heads = even_slice(config.kv_heads, rank, ranks);
  } else {
    const int64_t head = int64_t{rank} * config.kv_heads / ranks;
    shard.kv_heads = {head, head + 1};
  }
  shard.channels = even_slice(config.state_width, rank, ranks);
  shard.ffn = even_slice(config.ffn_width, rank, ranks);
  shard.vocabulary_columns = round_up(config.vocab_size, int64_t{kPanelColumns} * ranks) / ranks;
  if (ranks == 1) shard.vocabulary_columns = config.vocab_size;
  shard.vocabulary.begin = std::min<int64_t>(config.vocab_size, rank * shard.vocabulary_columns);
  shard.vocabulary.end =
      std::min<int64_t>(config.vocab_size, (rank + 1) * shard.vocabulary_columns);
  return shard;
}

}  // namespace tessera
