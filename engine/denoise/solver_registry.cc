#include "engine/denoise/solver_registry.h"

#include <algorithm>
#include <array>

#include "engine/weights/json_text.h"
#include "engine/weights/message.h"

namespace tessera {
namespace {

// What a checkpoint was trained with.
constexpr std::array<std::string_view, 5> kTrained{"num_train_timesteps", "beta_start", "beta_end",
                                                   "beta_schedule", "prediction_type"};

}  // namespace

std::vector<std::string> Solvers::param_names(const std::string& solver) const {
  std::vector<std::string> names;
  for (const ParamDoc& doc : registry_.docs(solver)) names.push_back(doc.name);
  return names;
}

absl::StatusOr<SchedulerConfig> Solvers::parse(std::string_view file, std::string_view text) const {
  const absl::StatusOr<nlohmann::json> object = parse_python_json(file, text);
  if (!object.ok()) return object.status();
  const auto class_name = object->find("_class_name");
  if (class_name == object->end() || !class_name->is_string()) {
    return absl::InvalidArgumentError(concat(file, ": _class_name is missing or no string"));
  }
  std::vector<std::string> supported;
  for (const auto& [name, scheduler] : classes_) {
    supported.push_back(scheduler.class_name);
    if (*class_name != scheduler.class_name) continue;
    absl::StatusOr<SchedulerConfig> config =
        read_scheduler_keys(file, *object, scheduler, param_names(name));
    if (!config.ok()) return config.status();
    config->solver = name;
    if (const absl::Status valid = validators_.at(name)(config->params); !valid.ok()) {
      return absl::InvalidArgumentError(concat(file, ": ", valid.message()));
    }
    return config;
  }
  std::sort(supported.begin(), supported.end());
  return absl::UnimplementedError(
      concat(file, ": _class_name is ", show_for_message(*class_name),
             ", which has no solver; supported: ", absl::StrJoin(supported, ", ")));
}

absl::StatusOr<std::unique_ptr<Solver>> Solvers::make(const SchedulerConfig& model,
                                                      const SolverChoice& choice,
                                                      const StepRequest& request) const {
  for (const auto& [name, value] : choice.params) {
    if (std::find(kTrained.begin(), kTrained.end(), name) == kTrained.end()) continue;
    return absl::InvalidArgumentError(
        concat("solver.", name, " belongs to the model and cannot be chosen by a request"));
  }
  const std::string& solver = choice.solver.empty() ? model.solver : choice.solver;
  if (!registry_.contains(solver)) {
    const absl::Status unknown = registry_.make(solver, {}, request).status();
    return absl::InvalidArgumentError(concat("solver: ", unknown.message()));
  }
  if (classes_.at(solver).process != classes_.at(model.solver).process) {
    return absl::InvalidArgumentError(concat("solver is ", solver,
                                             ", but the model was trained for ", model.solver,
                                             ", another kind of process"));
  }
  PolicyParams params = choice.params;
  const std::vector<std::string> known = param_names(solver);
  for (const auto& [name, value] : model.params) {
    if (std::find(known.begin(), known.end(), name) != known.end()) params.insert({name, value});
  }
  return registry_.make(solver, params, request);
}

}  // namespace tessera
