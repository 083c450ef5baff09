#include "engine/branch/residual.h"

namespace tessera {

Tensor Residual::begin(const RowSet& active, const BranchNorm& norm) {
  const Tensor out = normed_.rows(0, active.rows);
  const bool fold = active.all && (pending_.empty() || pending_set_->all);
  if (!fold) flush();
  const Tensor delta = fold ? pending_ : Tensor{};
  const Tensor gate = fold ? pending_gate_ : Tensor{};
  const Tensor rows = active.all ? Tensor{} : active.index;
  if (norm.kind == BranchNorm::Kind::kRms && gate.empty()) {
    add_rms_norm(stream_, {.delta = delta,
                           .gain = norm.gain,
                           .rows = rows,
                           .residual = rows_,
                           .normed = out,
                           .eps = norm.epsilon});
  } else {
    add_layer_norm(stream_, {.delta = delta,
                             .gate = gate,
                             .row_mod = active.modulation,
                             .rows = rows,
                             .gain = norm.gain,
                             .bias = norm.bias,
                             .scale = norm.scale,
                             .shift = norm.shift,
                             .residual = rows_,
                             .normed = out,
                             .eps = norm.epsilon,
                             .normalise = norm.kind == BranchNorm::Kind::kLayer});
  }
  pending_ = pending_gate_ = Tensor{};
  return out;
}

void Residual::put(const FeatureRows& kept, const Tensor& from, const Tensor& gate,
                   bool minus_store) {
  const bool gated = kept.gated && !gate.empty();
  feature_put(stream_, {.rows = from,
                        .index = kept.rows,
                        .gate = gated ? gate : Tensor{},
                        .row_mod = gated ? kept.modulation : Tensor{},
                        .slots = kept.slots,
                        .store = sites_.store,
                        .minus_store = minus_store});
}

void Residual::add_kept(const FeatureRows& reused, const Tensor& gate) {
  const bool fresh_gate = !reused.gated && !gate.empty();
  feature_add(stream_, {.store = sites_.store,
                        .slots = reused.slots,
                        .gate = fresh_gate ? gate : Tensor{},
                        .row_mod = fresh_gate ? reused.modulation : Tensor{},
                        .rows = reused.rows,
                        .residual = rows_});
}

void Residual::finish(int site, const Tensor& delta, const Tensor& gate) {
  const bool has_features = !sites_.features.empty();
  if (has_features) {
    for (const FeatureRows& kept : sites_.features[site].kept) put(kept, delta, gate, false);
  }
  if (!delta.empty()) {
    pending_ = delta;
    pending_gate_ = gate;
    pending_set_ = computing(site);
  }
  if (has_features && !sites_.features[site].reused.empty()) {
    // What an earlier branch gave comes first, whether anybody computes here or not.
    if (delta.empty()) flush();
    for (const FeatureRows& reused : sites_.features[site].reused) add_kept(reused, gate);
  }
  if (sites_.clock != nullptr) sites_.clock->site_end(stream_, site);
}

void Residual::enter_block(int block) {
  for (const RangeSite& range : sites_.ranges) {
    if (range.first_block != block || range.features.kept.empty()) continue;
    flush();
    for (const FeatureRows& kept : range.features.kept) put(kept, rows_, {}, false);
  }
}

void Residual::leave_block(int block) {
  for (const RangeSite& range : sites_.ranges) {
    if (range.last_block != block || range.features.empty()) continue;
    flush();
    for (const FeatureRows& kept : range.features.kept) put(kept, rows_, {}, true);
    for (const FeatureRows& reused : range.features.reused) add_kept(reused, {});
  }
}

void Residual::flush() {
  if (pending_.empty()) return;
  add_rows(stream_, {.delta = pending_,
                     .rows = pending_set_->all ? Tensor{} : pending_set_->index,
                     .residual = rows_,
                     .gate = pending_gate_,
                     .row_mod = pending_gate_.empty() ? Tensor{} : pending_set_->modulation});
  pending_ = pending_gate_ = Tensor{};
}

}  // namespace tessera
