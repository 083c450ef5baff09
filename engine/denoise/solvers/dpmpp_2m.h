// DPM-Solver++(2M) as a solver; see dpmpp_2m.cc. The header exists for the registry line and the
// test.
#pragma once

#include <memory>

#include "engine/denoise/prediction.h"
#include "engine/denoise/scheduler_config.h"
#include "engine/denoise/solver.h"

namespace tessera {

enum class FinalSigma : uint8_t { kZero, kSmallest };

struct DpmPp2mParams {
  DiscreteParams discrete{{}, Prediction::kEpsilon, Spacing::kLinspace, 0};
  int64_t solver_order = 2;
  bool lower_order_final = true;
  bool euler_at_final = false;
  FinalSigma final_sigmas_type = FinalSigma::kZero;

  template <class V>
  void visit(V& v) {
    discrete.visit(v);
    v("solver_order", solver_order, between(1, 2), "2 uses the prediction of the step before");
    v("lower_order_final", lower_order_final, "with fewer than 15 steps the last is first-order");
    v("euler_at_final", euler_at_final, "the last step is first-order");
    v("final_sigmas_type", final_sigmas_type, OneOf{{"zero", "sigma_min"}},
      "noise level after the last step");
  }
};

class DpmPp2m final : public Solver {
 public:
  using Params = DpmPp2mParams;
  static SchedulerClass scheduler_class();
  static absl::StatusOr<std::unique_ptr<Solver>> make(const DpmPp2mParams& params,
                                                      const StepRequest& request);

  const StepList& steps() const override { return steps_.list; }
  SolverNeeds needs() const override { return needs_of(*this); }
  std::vector<Combination> step(int index) const override;
  Combination denoised(int index) const override;

 private:
  // Signal, noise, and ln(signal / noise), after a step or before it.
  struct Level {
    double alpha, sigma, lambda;
  };
  DpmPp2m(const DpmPp2mParams& params, DiscreteSteps steps)
      : params_(params), steps_(std::move(steps)) {}
  Level level(int index) const;
  bool second_order(int index) const;
  Conversion conversion(int index) const;

  DpmPp2mParams params_;
  DiscreteSteps steps_;
};

}  // namespace tessera
