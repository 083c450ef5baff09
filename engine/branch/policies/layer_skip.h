// Unified Layer Skipping as a branch policy; see layer_skip.cc. The header exists for the registry
// line and the test.
#pragma once

#include <vector>

#include "engine/branch/branch_policy.h"

namespace tessera {

struct LayerSkipParams {
  double speedup = 2;  // target: about layers / speedup layers run for generated tokens

  template <class V>
  void visit(V& v) {
    v("speedup", speedup, between(1, 64), "target speed-up of a decode step; 1 keeps every layer");
  }
};

// Layers kept for a model of `layers` layers; ascending, first and last always among them.
std::vector<int> kept_layers(int layers, double speedup);

class LayerSkip final : public BranchPolicy {
 public:
  LayerSkip(const LayerSkipParams& params, const BranchModel& model);
  std::vector<Verdict> verdicts(bool of_prompt) const override;
  std::vector<int> layers_without_generated_kv() const override;
  std::string kv_namespace() const override;

 private:
  std::vector<Site> sites_;
  std::vector<bool> kept_;  // [layers]
};

}  // namespace tessera
