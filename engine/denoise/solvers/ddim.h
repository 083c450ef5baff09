// DDIM as a solver; see ddim.cc. The header exists for the registry line and the test.
#pragma once

#include <memory>

#include "engine/denoise/prediction.h"
#include "engine/denoise/scheduler_config.h"
#include "engine/denoise/solver.h"

namespace tessera {

struct DdimParams {
  DiscreteParams discrete;
  ClipParams clip;
  double eta = 0;
  bool set_alpha_to_one = true;

  template <class V>
  void visit(V& v) {
    discrete.visit(v);
    clip.visit(v);
    v("eta", eta, between(0, 1), "share of fresh noise: 0 none, 1 as much as DDPM");
    v("set_alpha_to_one", set_alpha_to_one, "the last step ends without noise");
  }
};

class Ddim final : public Solver {
 public:
  using Params = DdimParams;
  static SchedulerClass scheduler_class();
  static absl::StatusOr<std::unique_ptr<Solver>> make(const DdimParams& params,
                                                      const StepRequest& request);

  const StepList& steps() const override { return steps_.list; }
  SolverNeeds needs() const override { return needs_of(*this); }
  std::vector<Combination> step(int index) const override;
  Combination denoised(int index) const override;

 private:
  Ddim(const DdimParams& params, DiscreteSteps steps, int64_t stride)
      : params_(params), steps_(std::move(steps)), stride_(stride) {}
  double product_after(int index) const;
  Conversion conversion(int index) const;

  DdimParams params_;
  DiscreteSteps steps_;
  int64_t stride_;  // timesteps from one step to the next; 0 = as listed
};

}  // namespace tessera
