// Euler steps of flow matching as a solver; see flow_euler.cc. The header exists for the registry
// line and the test.
#pragma once

#include <memory>

#include "engine/denoise/scheduler_config.h"
#include "engine/denoise/solver.h"
#include "engine/registry/params.h"

namespace tessera {

enum class TimeShift : uint8_t { kExponential, kLinear };

struct FlowEulerParams {
  int64_t num_train_timesteps = 1000;
  double shift = 1;
  bool use_dynamic_shifting = false;
  double base_shift = 0.5;
  double max_shift = 1.15;
  int64_t base_image_seq_len = 256;
  int64_t max_image_seq_len = 4096;
  TimeShift time_shift_type = TimeShift::kExponential;

  template <class V>
  void visit(V& v) {
    v("num_train_timesteps", num_train_timesteps, between(1, 100000), "timestep of sigma 1");
    v("shift", shift, between(1e-3, 1e3), "moves steps to the noisy end; 1 = none");
    v("use_dynamic_shifting", use_dynamic_shifting, "the shift depends on the number of tokens");
    v("base_shift", base_shift, between(-10, 10), "dynamic shift at base_image_seq_len tokens");
    v("max_shift", max_shift, between(-10, 10), "dynamic shift at max_image_seq_len tokens");
    v("base_image_seq_len", base_image_seq_len, between(1, 1e9), "tokens");
    v("max_image_seq_len", max_image_seq_len, between(1, 1e9), "tokens");
    v("time_shift_type", time_shift_type, OneOf{{"exponential", "linear"}},
      "how the dynamic shift enters");
  }
};

class FlowEuler final : public Solver {
 public:
  using Params = FlowEulerParams;
  static SchedulerClass scheduler_class();
  // Listed sigmas are shifted like default ones, as in diffusers.
  static absl::StatusOr<std::unique_ptr<Solver>> make(const FlowEulerParams& params,
                                                      const StepRequest& request);

  const StepList& steps() const override { return steps_; }
  SolverNeeds needs() const override { return needs_of(*this); }
  std::vector<Combination> step(int index) const override;
  Combination denoised(int index) const override;

 private:
  explicit FlowEuler(StepList steps) : steps_(std::move(steps)) {}

  StepList steps_;
};

}  // namespace tessera
