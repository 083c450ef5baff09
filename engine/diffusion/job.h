// A diffusion request while it lives: what it will compute, fixed when it is accepted, and what it
// holds of the engine's pools, from admission to its end. Owned by the engine; made on the caller's
// thread, then the engine thread's alone.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "engine/api/diffusion.h"
#include "engine/branch/cache_policy.h"
#include "engine/denoise/guidance.h"
#include "engine/denoise/noise.h"
#include "engine/denoise/solver.h"
#include "engine/denoiser/denoise_plan.h"
#include "engine/diffusion/branch_record.h"
#include "engine/diffusion/feature_slots.h"
#include "engine/diffusion/float_pool.h"

namespace tessera {

using Clock = std::chrono::steady_clock;

// The network under one guidance branch: what its condition is.
struct JobBranch {
  int32_t label = 0;           // class-conditional networks
  std::vector<int32_t> ids;    // of a text; its rows come from an encoder once it is admitted
  FloatArray prompt, pooled;   // [tokens, width], [pooled_width]
  std::vector<int32_t> pages;  // of the condition's K and V; shared by all samples
  int32_t context_store = -1;  // first row in the context store
  int64_t keys() const {
    if (!ids.empty()) return static_cast<int64_t>(ids.size());
    return prompt.shape.empty() ? 0 : prompt.shape[0];
  }
  bool encoded() const { return ids.empty() || !prompt.values.empty(); }
};

// One sample under one branch.
struct SampleBranch {
  int32_t modulation_slot = -1;
  int64_t output_offset = FloatPool::kNone;
  FeatureSlots features;
};

struct JobSample {
  int index = 0;  // in the request; what is drawn and decided for it goes by this
  // Ranges of the float pool; kNone where the solver has no need.
  int64_t latents = FloatPool::kNone, output = FloatPool::kNone, noise = FloatPool::kNone,
          denoised = FloatPool::kNone, history[2] = {FloatPool::kNone, FloatPool::kNone};
  std::optional<Noise> draws;
  std::vector<SampleBranch> branches;
};

// What decides how much memory and time a job takes.
struct JobPlan {
  bool caches = false;  // its cache policy keeps something at some step
  // [branches][steps + 1] blocks of the feature store that a segment holds at most from this step
  // on, the last 0; empty if nothing is kept.
  std::vector<std::vector<int64_t>> feature_blocks;
  std::vector<double> compute_share;  // [steps] of the network's branches; empty = all of them
  bool has_pages = false, has_context = false;  // the network keeps its condition in pages, in rows
  int first_key = 0;                            // keys of the pages before those of the condition
  SolverNeeds solver;
};

struct Job {
  DiffusionRequest request;
  std::shared_ptr<DiffusionSink> sink;
  LatentShape shape;
  PositionRows positions;
  int64_t tokens = 0;  // image rows of one segment
  std::unique_ptr<Solver> solver;
  std::unique_ptr<Guidance> guidance;
  std::unique_ptr<CachePolicy> cache;    // or null
  std::shared_ptr<BranchRecord> record;  // or null: filled as the job runs
  JobPlan plan;
  std::vector<JobBranch> branches;  // 1, or conditional and unconditional
  int64_t n = 1;                    // samples of the request
  int64_t part_samples_max = 1;     // of these, how many run together at most
  std::vector<JobSample> samples;   // of the part that runs; see job_parts.h
  std::vector<float> extra;         // further scalar conditions of the network
  uint64_t seed = 0;
  NoiseKind noise = NoiseKind::kCounter;

  int step = 0;  // steps done, of this part
  double given_seconds = 0;
  int64_t key = 0;
  int64_t told_position = -1;
  int told_steps = 0;
  std::optional<Clock::time_point> told_at;  // when these were
  int64_t decoded = 0;                       // samples
  Clock::time_point submitted, admitted, denoised;
  JobTimings timings;
  PolicySummary summary;
  std::vector<std::string> trace;
  JobResult result;  // as far as it is known
  JobPreview preview;
  size_t previews_left = 0;  // samples of it that are being decoded

  int steps() const { return solver->steps().size(); }
  FeatureSizes feature_sizes(size_t branch) const {
    return {tokens, plan.has_context ? branches[branch].keys() : 0};
  }
  bool in_first_part() const { return samples.front().index == 0; }
  int64_t samples_after_part() const { return n - samples.back().index - 1; }
  // Branches that run in the next step: those of guidance leave for good when it ends.
  size_t running_branches(size_t sample) const {
    return branches.size() > 1 && guidance->guides(samples[sample].index, step) ? 2 : 1;
  }
  int64_t segments() const {
    return static_cast<int64_t>(samples.size()) * static_cast<int64_t>(branches.size());
  }
  int64_t rows() const {
    int64_t rows = 0;
    for (const JobBranch& branch : branches) {
      rows += tokens + (plan.has_context ? branch.keys() : 0);
    }
    return rows * static_cast<int64_t>(samples.size());
  }
};

}  // namespace tessera
