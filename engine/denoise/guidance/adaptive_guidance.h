// Adaptive guidance; see adaptive_guidance.cc. The header exists for the registry line and the
// test.
#pragma once

#include <memory>
#include <vector>

#include "engine/denoise/guidance.h"

namespace tessera {

struct AdaptiveGuidanceParams {
  double scale = 1;
  double threshold = 0.991;
  int64_t min_steps = 1;
  GuidanceSpace space = GuidanceSpace::kOutput;

  template <class V>
  void visit(V& v) {
    v("scale", scale, between(0, 100), "weight of the condition; at most 1 = unguided");
    v("threshold", threshold, between(-1, 2),
      "cosine of the branches from which guidance stops; above 1 = never");
    v("min_steps", min_steps, between(1, 1000), "steps that are always guided");
    v("space", space, OneOf{{"eps", "x0"}}, "compare answers, or predicted clean latents");
  }
};

class AdaptiveGuidance final : public Guidance {
 public:
  static absl::StatusOr<std::unique_ptr<Guidance>> make(const AdaptiveGuidanceParams& params,
                                                        const GuidanceJob& job);
  bool guides(int sample, int step) const override;
  GuidanceMix mix() const override { return mix_of(params_.scale); }
  std::optional<GuidanceSpace> probe(int sample, int step) const override;
  void observe(int sample, int step, const AnswerProducts& products) override;

 private:
  AdaptiveGuidance(const AdaptiveGuidanceParams& params, int samples)
      : params_(params), aligned_(samples, false) {}

  AdaptiveGuidanceParams params_;
  std::vector<bool> aligned_;  // [samples] guidance has stopped for good
};

}  // namespace tessera
