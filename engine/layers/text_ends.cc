#include "engine/layers/text_ends.h"

#include "kernels/ops/embedding.h"
#include "kernels/ops/norm.h"

namespace tessera {

TextEnds::TextEnds(Region& weights, DType dtype, const ModelConfig& config, const Shard& shard,
                   const Rank& rank)
    : vocabulary_(shard.vocabulary),
      rank_(rank),
      norm_epsilon_(config.norm_epsilon),
      tied_(config.tied_embeddings) {
  const int64_t V = config.vocab_size, D = config.width;
  embedding_ =
      LinearLayer(weights, dtype, {{"model.embed_tokens", V, D, vocabulary_, {0, D}}}, false);
  if (!tied_) {
    head_ = LinearLayer(weights, dtype, {{"lm_head", V, D, vocabulary_, {0, D}}}, false);
  }
  final_gain_ = weights.allocate(DType::kF32, {D});
}

absl::Status TextEnds::load(const TensorFiles& files, Stream& stream) const {
  absl::Status status = embedding_.load(files, stream);
  if (!tied_) status.Update(head_.load(files, stream));
  status.Update(load_gain(files, "model.norm.weight", final_gain_, stream));
  return status;
}

Tensor TextEnds::embed(Stream& stream, const Batch& batch, const BatchMemory& memory,
                       const Activations& scratch) const {
  const Tensor tokens = memory.tokens.rows(0, batch.references.dim(0));
  resolve_tokens(stream, {.references = batch.references,
                          .slots = batch.slots,
                          .positions = batch.positions,
                          .last_tokens = memory.last_tokens,
                          .history = memory.history,
                          .tokens = tokens});
  const Tensor rows = scratch.residual.rows(0, batch.rows);
  tessera::embed(stream, {.tokens = tokens.rows(0, batch.rows),
                          .table = embedding_.weight(),
                          .first = vocabulary_.begin,
                          .residual = rows});
  return sum_over_ranks(stream, rank_, rows);
}

Tensor TextEnds::logits(Stream& stream, const Batch& batch, const Activations& scratch,
                        const Tensor& rows) const {
  const int64_t R = rows.dim(0);
  const Tensor normed = scratch.normed.rows(0, R);
  add_rms_norm(stream, {.delta = {},
                        .gain = final_gain_,
                        .rows = rows,
                        .residual = scratch.residual.rows(0, batch.rows),
                        .normed = normed,
                        .eps = norm_epsilon_});
  const LinearLayer& head = tied_ ? embedding_ : head_;
  const Tensor logits = scratch.logits.rows(0, R);
  if (rank_.count == 1) {
    head(stream, normed, logits);
    return logits;
  }
  const Tensor part = scratch.logits_part.rows(0, R);
  head(stream, normed, part.columns(0, vocabulary_.size()));
  all_gather(stream, {.meeting = rank_.meeting, .rank = rank_.index, .data = part, .out = logits});
  return logits;
}

}  // namespace tessera
