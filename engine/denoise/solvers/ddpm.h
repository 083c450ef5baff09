// DDPM as a solver; see ddpm.cc. The header exists for the registry line and the test.
#pragma once

#include <memory>

#include "engine/denoise/prediction.h"
#include "engine/denoise/scheduler_config.h"
#include "engine/denoise/solver.h"

namespace tessera {

// The logarithmic form of the small variance is the same number.
enum class DdpmVariance : uint8_t { kFixedSmall, kFixedSmallLog, kFixedLarge };

struct DdpmParams {
  DiscreteParams discrete;
  ClipParams clip;
  DdpmVariance variance_type = DdpmVariance::kFixedSmall;

  template <class V>
  void visit(V& v) {
    discrete.visit(v);
    clip.visit(v);
    v("variance_type", variance_type, OneOf{{"fixed_small", "fixed_small_log", "fixed_large"}},
      "how much fresh noise a step adds");
  }
};

class Ddpm final : public Solver {
 public:
  using Params = DdpmParams;
  static SchedulerClass scheduler_class();
  static absl::StatusOr<std::unique_ptr<Solver>> make(const DdpmParams& params,
                                                      const StepRequest& request);

  const StepList& steps() const override { return steps_.list; }
  SolverNeeds needs() const override { return needs_of(*this); }
  std::vector<Combination> step(int index) const override;
  Combination denoised(int index) const override;

 private:
  Ddpm(const DdpmParams& params, DiscreteSteps steps) : params_(params), steps_(std::move(steps)) {}
  double product(int index) const;
  Conversion conversion(int index) const;

  DdpmParams params_;
  DiscreteSteps steps_;
};

}  // namespace tessera
