// What tests of cache policies share: networks as lists of sites, jobs, and the execution of a
// table with step numbers in place of tensors.
#pragma once

#include <vector>

#include "engine/branch/cache_policy.h"
#include "engine/denoise/step_list.h"
#include "gtest/gtest.h"

namespace tessera {

inline CacheModel image_model(int blocks) {
  CacheModel model{.blocks = blocks};
  model.sites.reserve(3 * blocks);
  for (int block = 0; block < blocks; ++block) {
    model.sites.push_back({block, SiteKind::kSelf});
    model.sites.push_back({block, SiteKind::kCross});
    model.sites.push_back({block, SiteKind::kMlp});
  }
  return model;
}

// Spatial and temporal blocks in turn, numbered on or in pairs.
inline CacheModel video_model(int pairs, bool numbered_in_pairs) {
  CacheModel model{.blocks = numbered_in_pairs ? pairs : 2 * pairs};
  model.sites.reserve(5 * pairs);
  for (int pair = 0; pair < pairs; ++pair) {
    const int spatial = numbered_in_pairs ? pair : 2 * pair;
    const int temporal = numbered_in_pairs ? pair : 2 * pair + 1;
    model.sites.push_back({spatial, SiteKind::kSelf});
    model.sites.push_back({spatial, SiteKind::kCross});
    model.sites.push_back({spatial, SiteKind::kMlp});
    model.sites.push_back({temporal, SiteKind::kTemporal});
    model.sites.push_back({temporal, SiteKind::kMlp});
  }
  return model;
}

inline CacheModel joint_model(int blocks) {
  CacheModel model{.blocks = blocks};
  model.sites.reserve(4 * blocks);
  for (int block = 0; block < blocks; ++block) {
    model.sites.push_back({block, SiteKind::kJoint});
    model.sites.push_back({block, SiteKind::kJoint, true});
    model.sites.push_back({block, SiteKind::kMlp});
    model.sites.push_back({block, SiteKind::kMlpContext, true});
  }
  return model;
}

inline CacheJob job_of(int steps, Spacing spacing = Spacing::kLeading, int64_t offset = 0) {
  const auto timesteps =
      discrete_timesteps("test", {.spacing = spacing, .steps_offset = offset}, {.steps = steps});
  EXPECT_TRUE(timesteps.ok()) << timesteps.status();
  CacheJob job;
  job.timesteps.assign(timesteps->begin(), timesteps->end());
  return job;
}

// For a site and each step: at which step what is added there was computed. Fails where nothing was
// kept, or where something was kept for nobody.
inline std::vector<int> served_from(const CachePlan& plan, int site) {
  std::vector<int> served;
  int kept = -1;
  bool used = true;
  for (int step = 0; step < plan.steps; ++step) {
    const CacheVerdict verdict = plan.at(site, step);
    EXPECT_NE(verdict, CacheVerdict::kAsk);
    if (verdict == CacheVerdict::kReuse) {
      EXPECT_GE(kept, 0) << "site " << site << " step " << step;
      used = true;
    } else if (verdict == CacheVerdict::kComputeAndKeep) {
      EXPECT_TRUE(used) << "site " << site << " kept for nobody before step " << step;
      kept = step;
      used = false;
    }
    served.push_back(verdict == CacheVerdict::kReuse ? kept : step);
    EXPECT_EQ(alive_after(plan, site, step), [&] {
      for (int later = step + 1; later < plan.steps; ++later) {
        if (plan.at(site, later) == CacheVerdict::kReuse) return true;
        if (plan.at(site, later) == CacheVerdict::kComputeAndKeep) return false;
      }
      return false;
    }());
  }
  EXPECT_TRUE(used) << "site " << site << " kept for nobody";
  return served;
}

inline std::vector<int> computed_steps(const CachePlan& plan, int site) {
  std::vector<int> steps;
  for (int step = 0; step < plan.steps; ++step) {
    if (plan.at(site, step) != CacheVerdict::kReuse) steps.push_back(step);
  }
  return steps;
}

}  // namespace tessera
