// Block-wise Adaptive Caching for diffusion policies (Ji et al., 2025). Every branch of every layer
// has its own steps to compute at, found offline by dynamic programming over the similarity of its
// outputs (engine/branch/bac_calibration.h) and read from a file bound to checkpoint, solver and
// steps.
#include "engine/branch/policies/bac.h"

#include "absl/strings/escaping.h"
#include "engine/weights/message.h"

namespace tessera {
namespace {

absl::Status check_binding(const std::string& name, const UpdateSchedule& schedule,
                           const CacheModel& model, const CacheJob& job) {
  const auto refuse = [&](const auto&... why) {
    return absl::InvalidArgumentError(concat("bac.schedule \"", name, "\" ", why...));
  };
  if (schedule.checkpoint != model.fingerprint) {
    return refuse("was made for checkpoint ", absl::CHexEscape(schedule.checkpoint), ", not ",
                  model.fingerprint);
  }
  if (schedule.solver != job.solver) {
    return refuse("was made for solver ", absl::CHexEscape(schedule.solver), ", not ", job.solver);
  }
  if (schedule.timesteps.size() != job.timesteps.size()) {
    return refuse("was made for ", schedule.timesteps.size(), " steps, not ", job.timesteps.size());
  }
  for (size_t step = 0; step < job.timesteps.size(); ++step) {
    if (schedule.timesteps[step] == job.timesteps[step]) continue;
    return refuse("was made for other timesteps: step ", step, " is ", schedule.timesteps[step],
                  ", not ", job.timesteps[step]);
  }
  return absl::OkStatus();
}

// The streams of a joint block meet in its attention, so neither computes there alone.
absl::Status check_joint(const std::string& name, const UpdateSchedule& schedule,
                         const CacheModel& model, const std::vector<std::string>& names) {
  for (size_t site = 1; site < model.sites.size(); ++site) {
    const CacheSite &first = model.sites[site - 1], &second = model.sites[site];
    const bool pair = first.kind == SiteKind::kJoint && second.kind == SiteKind::kJoint &&
                      first.block == second.block && second.context;
    if (pair && schedule.units.at(names[site - 1]) != schedule.units.at(names[site])) {
      return absl::InvalidArgumentError(concat("bac.schedule \"", name, "\" updates ",
                                               names[site - 1], " and ", names[site],
                                               " at different steps, they meet in attention"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

MadeCachePolicy Bac::make(const BacParams& params, const CacheModel& model, const CacheJob& job) {
  const std::string shown = absl::CHexEscape(params.schedule.substr(0, 64));
  const auto found = model.schedules.find(params.schedule);
  if (found == model.schedules.end()) {
    std::string known;
    for (const auto& [name, schedule] : model.schedules)
      known += (known.empty() ? "" : ", ") + name;
    return absl::InvalidArgumentError(concat("bac.schedule is \"", shown, "\", must be one of: ",
                                             known.empty() ? "(the model has none)" : known));
  }
  const UpdateSchedule& schedule = found->second;
  if (absl::Status status = check_binding(shown, schedule, model, job); !status.ok()) {
    return status;
  }
  CachePlan plan(model, job);
  const std::vector<std::string> names = site_names(model.sites);
  for (int site = 0; site < plan.sites; ++site) {
    const auto unit = schedule.units.find(names[site]);
    if (unit == schedule.units.end()) {
      return absl::InvalidArgumentError(
          concat("bac.schedule \"", shown, "\" lacks unit ", names[site]));
    }
    for (int step = 0; step < plan.steps; ++step) plan.at(site, step) = CacheVerdict::kReuse;
    for (int step : unit->second) plan.at(site, step) = CacheVerdict::kCompute;
    if (params.force_last) plan.at(site, plan.steps - 1) = CacheVerdict::kCompute;
  }
  if (schedule.units.size() != names.size()) {
    return absl::InvalidArgumentError(concat("bac.schedule \"", shown, "\" has ",
                                             schedule.units.size(), " units, the model has ",
                                             names.size()));
  }
  if (absl::Status status = check_joint(shown, schedule, model, names); !status.ok()) {
    return status;
  }
  plan.keep_what_is_reused();
  return std::make_unique<CachePolicy>(std::move(plan));
}

}  // namespace tessera
