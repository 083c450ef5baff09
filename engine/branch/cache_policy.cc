#include "engine/branch/cache_policy.h"

#include <algorithm>

#include "kernels/core/check.h"

namespace tessera {

CachePlan::CachePlan(const CacheModel& model, const CacheJob& job)
    : sites(static_cast<int>(model.sites.size())),
      steps(job.steps()),
      table(model.sites.size() * job.timesteps.size(), CacheVerdict::kCompute) {}

int CachePlan::add_range(CacheRange range) {
  const auto found = std::find(ranges.begin(), ranges.end(), range);
  const int site = sites + static_cast<int>(found - ranges.begin());
  if (found == ranges.end()) {
    ranges.push_back(range);
    table.insert(table.end(), steps, CacheVerdict::kCompute);
  }
  return site;
}

void CachePlan::keep_what_is_reused() {
  for (int site = 0; site < all_sites(); ++site) {
    CHECK(at(site, 0) != CacheVerdict::kReuse);
    for (int step = 0; step + 1 < steps; ++step) {
      if (at(site, step) == CacheVerdict::kCompute && at(site, step + 1) == CacheVerdict::kReuse) {
        at(site, step) = CacheVerdict::kComputeAndKeep;
      }
    }
  }
}

bool CachePlan::computes_everything() const {
  return std::all_of(table.begin(), table.end(),
                     [](CacheVerdict verdict) { return verdict == CacheVerdict::kCompute; });
}

bool alive_after(const CachePlan& plan, int site, int step) {
  for (int later = step + 1; later < plan.steps; ++later) {
    const CacheVerdict verdict = plan.at(site, later);
    if (verdict == CacheVerdict::kReuse) return true;
    if (verdict == CacheVerdict::kComputeAndKeep) return false;
    if (verdict != CacheVerdict::kAsk) continue;
    // Asked, it may be reused if anything has been kept.
    for (int before = 0; before <= step; ++before) {
      if (plan.at(site, before) != CacheVerdict::kCompute) return true;
    }
    return false;
  }
  return false;
}

namespace {

bool held_during(const CachePlan& plan, int site, int step) {
  const CacheVerdict verdict = plan.at(site, step);
  return verdict == CacheVerdict::kComputeAndKeep || verdict == CacheVerdict::kAsk ||
         (step > 0 && alive_after(plan, site, step - 1));
}

}  // namespace

CacheFootprint footprint_during(const CachePlan& plan, const CacheModel& model, int step) {
  const bool two_streams = std::any_of(model.sites.begin(), model.sites.end(),
                                       [](const CacheSite& site) { return site.context; });
  CacheFootprint footprint;
  const auto count_range = [&] {
    ++footprint.image;
    if (two_streams) ++footprint.context;
  };
  for (int site = 0; site < plan.all_sites(); ++site) {
    if (!held_during(plan, site, step)) continue;
    if (site >= plan.sites) {
      count_range();
    } else if (model.sites[site].adds) {
      ++(model.sites[site].context ? footprint.context : footprint.image);
    }
  }
  for (const CacheCut& cut : plan.cuts) {
    if (plan.at(cut.probe, step) == CacheVerdict::kAsk) count_range();
  }
  return footprint;
}

}  // namespace tessera
