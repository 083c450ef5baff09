// The residual stream of one forward pass, and the one seam every residual branch passes. A branch
// is called with the rows that compute only; the others keep their residual bits. The output of a
// branch stays pending until the next normalisation, which folds the addition in, so it never costs
// a kernel of its own when all rows compute.
//
// Lives on the stack of a forward, on the engine thread; appends ops, touches no tensor memory.
#pragma once

#include "engine/batch/batch.h"
#include "kernels/ops/norm.h"

namespace tessera {

class Residual {
 public:
  // `rows` is the stream, [T, D] f32; `normed` is scratch for normalised rows, [T, D] of activation
  // type.
  Residual(Stream& stream, const Batch& batch, const Tensor& rows, const Tensor& normed, float eps)
      : stream_(stream), batch_(batch), rows_(rows), normed_(normed), eps_(eps) {}

  // Runs `branch(const RowSet&, Tensor normed [T', D]) -> Tensor delta [T', D] f32` for the rows
  // that compute at `site`. The delta must stay untouched until the next call.
  template <class Branch>
  void add(int site, const Tensor& gain, Branch&& branch) {
    const int set = batch_.set_of_site.empty() ? 0 : batch_.set_of_site[site];
    if (set < 0) return;
    const RowSet& active = batch_.row_sets[set];
    const Tensor normed = norm(active, gain);
    pending_ = branch(active, normed);
    pending_set_ = &active;
  }

  // Adds what is pending.
  void flush() {
    if (pending_.empty()) return;
    add_rows(stream_, {.delta = pending_,
                       .rows = pending_set_->all ? Tensor{} : pending_set_->index,
                       .residual = rows_});
    pending_ = Tensor{};
  }

 private:
  Tensor norm(const RowSet& active, const Tensor& gain) {
    const Tensor out = normed_.rows(0, active.rows);
    if (active.all && (pending_.empty() || pending_set_->all)) {
      add_rms_norm(stream_, {.delta = pending_,
                             .gain = gain,
                             .rows = {},
                             .residual = rows_,
                             .normed = out,
                             .eps = eps_});
      pending_ = Tensor{};
      return out;
    }
    flush();
    add_rms_norm(stream_, {.delta = {},
                           .gain = gain,
                           .rows = active.all ? Tensor{} : active.index,
                           .residual = rows_,
                           .normed = out,
                           .eps = eps_});
    return out;
  }

  Stream& stream_;
  const Batch& batch_;
  Tensor rows_;
  Tensor normed_;
  float eps_;
  Tensor pending_;
  const RowSet* pending_set_ = nullptr;
};

}  // namespace tessera
