#include "engine/diffusion/recording.h"

namespace tessera {
namespace {

constexpr int64_t kRecordBytesMax = int64_t{2} << 30;

}  // namespace

absl::Status make_recording(const JobRules& rules, Job& job) {
  const CacheModel& network = rules.policies.network;
  if (job.cache != nullptr) {
    return absl::InvalidArgumentError("policies: a run that is recorded takes no cache policy");
  }
  job.n = 1;  // the others would be run for nobody
  auto record = std::make_shared<BranchRecord>();
  record->checkpoint = network.fingerprint;
  record->solver = job.request.solver.value_or(rules.default_solver);
  record->timesteps = job.solver->steps().timesteps;
  const std::vector<std::string> names = site_names(network.sites);
  const FeatureSizes sizes = job.feature_sizes(0);
  const int64_t floats_per_row = job.steps() * rules.facts.width;
  int64_t floats = 0;
  for (const CacheSite& site : network.sites) {
    if (site.adds) floats += sizes.rows_of_site(site.context) * floats_per_row;
  }
  if (floats * static_cast<int64_t>(sizeof(float)) > kRecordBytesMax) {
    return absl::ResourceExhaustedError(
        "a record of this run has " + std::to_string(floats) + " numbers, at most " +
        std::to_string(kRecordBytesMax / static_cast<int64_t>(sizeof(float))) + " are taken");
  }
  CachePlan plan(network, {record->timesteps, record->solver, 1});
  for (size_t site = 0; site < network.sites.size(); ++site) {
    RecordedBranch branch{names[site], network.sites[site], {}};
    if (branch.site.adds) {
      branch.outputs.resize(sizes.rows_of_site(branch.site.context) * floats_per_row);
      for (int step = 0; step < plan.steps; ++step) {
        plan.at(static_cast<int>(site), step) = CacheVerdict::kComputeAndKeep;
      }
    }
    record->branches.push_back(std::move(branch));
  }
  job.cache = std::make_unique<CachePolicy>(std::move(plan));
  job.record = std::move(record);
  return take_cache_policy(rules, job);
}

void append_recording(DenoiseWorker& worker, Job& job) {
  const FeatureSlots& slots = job.samples[0].branches[0].features;
  for (size_t site = 0; site < job.record->branches.size(); ++site) {
    RecordedBranch& branch = job.record->branches[site];
    if (branch.outputs.empty()) continue;
    const size_t count = branch.outputs.size() / job.steps();
    worker.download_features(slots.of(static_cast<int>(site)),
                             std::span(branch.outputs).subspan(job.step * count, count));
  }
}

}  // namespace tessera
