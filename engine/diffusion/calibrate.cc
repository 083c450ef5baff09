#include "engine/diffusion/calibrate.h"

#include "absl/strings/str_format.h"
#include "engine/denoise/step_list.h"
#include "engine/diffusion/branch_record.h"

namespace tessera {
namespace {

// Branches that compute together, with what the observations so far say about them.
struct Group {
  std::vector<size_t> members;     // branches of the record
  std::vector<double> similarity;  // [S][S], summed over observations and members
  double error = 0;
};

bool joins(const CacheSite& site, const CacheSite& before) {
  return site.kind == SiteKind::kJoint && before.kind == SiteKind::kJoint &&
         site.block == before.block;
}

std::vector<Group> groups_of(const BranchRecord& record, bool together) {
  std::vector<Group> groups;
  const size_t entries = record.timesteps.size() * record.timesteps.size();
  for (size_t at = 0; at < record.branches.size(); ++at) {
    const bool with_last =
        at > 0 && (together || joins(record.branches[at].site, record.branches[at - 1].site));
    if (!with_last) groups.push_back({{}, std::vector<double>(entries), 0});
    groups.back().members.push_back(at);
  }
  return groups;
}

absl::Status observe(const BranchRecord& record, const CalibrationOptions& options,
                     std::vector<Group>& groups) {
  for (Group& group : groups) {
    for (const size_t member : group.members) {
      const RecordedBranch& branch = record.branches[member];
      if (branch.outputs.empty()) continue;
      absl::StatusOr<std::vector<double>> similarity =
          branch_similarity(branch.outputs, record.steps(), options.metric);
      if (!similarity.ok()) {
        return absl::InvalidArgumentError(branch.name + ": " +
                                          std::string(similarity.status().message()));
      }
      weigh_late_steps(*similarity, record.steps(), options.late, options.metric);
      for (size_t at = 0; at < similarity->size(); ++at) group.similarity[at] += (*similarity)[at];
      group.error += branch_error(branch.outputs, record.steps());
    }
  }
  return absl::OkStatus();
}

UpdateSchedule schedule_of(const BranchRecord& record, const std::vector<Group>& groups,
                           const CalibrationOptions& options) {
  std::vector<CalibratedUnit> units;
  for (const Group& group : groups) {
    const RecordedBranch& first = record.branches[group.members[0]];
    const bool mlp = first.site.kind == SiteKind::kMlp || first.site.kind == SiteKind::kMlpContext;
    units.push_back({first.name, first.site.block, mlp, group.error,
                     choose_updates(group.similarity, record.steps(),
                                    static_cast<int>(options.updates), options.value)});
  }
  units = bubble_up(units, options.bubbling);
  UpdateSchedule schedule{record.checkpoint, record.solver, record.timesteps, options.made_by, {}};
  for (size_t unit = 0; unit < units.size(); ++unit) {
    for (const size_t member : groups[unit].members) {
      schedule.units[record.branches[member].name] = units[unit].updates;
    }
  }
  return schedule;
}

}  // namespace

absl::StatusOr<UpdateSchedule> calibrate(DiffusionEngine& engine,
                                         std::span<const DiffusionRequest> observations,
                                         const CalibrationOptions& options) {
  if (observations.empty()) return absl::InvalidArgumentError("there is no observation");
  if (options.updates < 1 || options.updates > kStepsMax) {
    return absl::InvalidArgumentError("updates is " + std::to_string(options.updates) +
                                      ", must be in [1, " + std::to_string(kStepsMax) + "]");
  }
  if (!(options.late >= 0 && options.late <= kLateMax)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("late is %g, must be in [0, %g]", options.late, kLateMax));
  }
  BranchRecord first;  // its outputs are dropped
  std::vector<Group> groups;
  for (size_t at = 0; at < observations.size(); ++at) {
    BranchRecord record;
    if (absl::Status status = engine.record(observations[at], record); !status.ok()) return status;
    if (at == 0) groups = groups_of(record, options.together);
    if (at > 0 && (record.solver != first.solver || record.timesteps != first.timesteps)) {
      return absl::InvalidArgumentError("observation " + std::to_string(at) +
                                        " has another solver or other steps than the first");
    }
    if (absl::Status status = observe(record, options, groups); !status.ok()) {
      return status;
    }
    for (RecordedBranch& branch : record.branches) branch.outputs = {};
    first = std::move(record);
  }
  return schedule_of(first, groups, options);
}

}  // namespace tessera
