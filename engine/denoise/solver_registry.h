// All solvers of this build: by their own name for requests, by diffusers' class name for model
// folders. Filled once at start by the list of techniques, read-only afterwards; any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/denoise/scheduler_config.h"
#include "engine/denoise/solver.h"
#include "engine/registry/registry.h"

namespace tessera {

// What a request says about its solver; empty = as the model folder.
struct SolverChoice {
  std::string solver;
  PolicyParams params;  // over those of the folder
};

class Solvers {
 public:
  template <class Plug>
  void add(const std::string& name) {
    registry_.add<Plug, typename Plug::Params>(name);
    validators_[name] = [name](const PolicyParams& params) {
      return parse_params<typename Plug::Params>(name, params).status();
    };
    classes_[name] = Plug::scheduler_class();
  }

  // Reads scheduler_config.json. The error names the file, the key and its value: UNIMPLEMENTED for
  // a class or an option without a solver, INVALID_ARGUMENT for values out of bounds.
  absl::StatusOr<SchedulerConfig> parse(std::string_view file, std::string_view text) const;

  // The solver of one job. A solver other than the folder's takes over the folder's parameters of
  // the same name. What the model was trained with cannot be chosen. INVALID_ARGUMENT names field
  // and bound.
  absl::StatusOr<std::unique_ptr<Solver>> make(const SchedulerConfig& model,
                                               const SolverChoice& choice,
                                               const StepRequest& request) const;

  std::vector<std::string> names() const { return registry_.names(); }
  const std::vector<ParamDoc>& docs(const std::string& name) const { return registry_.docs(name); }

 private:
  std::vector<std::string> param_names(const std::string& solver) const;

  Registry<Solver, StepRequest> registry_{"solver"};
  std::map<std::string, std::function<absl::Status(const PolicyParams&)>> validators_;
  std::map<std::string, SchedulerClass> classes_;
};

}  // namespace tessera
