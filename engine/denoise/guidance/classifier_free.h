// Classifier-free guidance; see classifier_free.cc. The header exists for the registry line and the
// test.
#pragma once

#include <memory>

#include "engine/denoise/guidance.h"

namespace tessera {

struct ClassifierFreeParams {
  double scale = 1;

  template <class V>
  void visit(V& v) {
    v("scale", scale, between(0, 100), "weight of the condition; at most 1 = unguided");
  }
};

class ClassifierFree final : public Guidance {
 public:
  static absl::StatusOr<std::unique_ptr<Guidance>> make(const ClassifierFreeParams& params,
                                                        const GuidanceJob& job);
  bool guides(int, int) const override { return scale_ > 1; }
  GuidanceMix mix() const override { return mix_of(scale_); }
  std::optional<GuidanceSpace> probe(int, int) const override { return std::nullopt; }
  void observe(int, int, const AnswerProducts&) override {}

 private:
  explicit ClassifierFree(double scale) : scale_(scale) {}

  double scale_;
};

}  // namespace tessera
