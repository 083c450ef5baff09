// Who does what at a residual branch (a site) in one step: which rows compute it, which of those
// keep what it gave, and which add what was kept before. Views of a step's device arrays; made by
// whoever lays out the step, valid until the next one.
#pragma once

#include <span>
#include <vector>

#include "kernels/core/tensor.h"

namespace tessera {

// Rows whose branch output goes to, or comes from, the feature store.
struct FeatureRows {
  Tensor rows;         // [n]  i32: of the branch output (kept) or of the residual stream (reused)
  Tensor slots;        // [n]  i32: rows of the feature store
  Tensor modulation;   // [n]  i32: rows of the modulation, for the gate; empty without gates
  bool gated = false;  // what is stored has been multiplied by the gate of the step that made it
};

struct SiteFeatures {
  std::vector<FeatureRows> kept, reused;
  bool empty() const { return kept.empty() && reused.empty(); }
};

}  // namespace tessera
