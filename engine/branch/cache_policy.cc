#include "engine/branch/cache_policy.h"

#include <algorithm>
#include <numeric>

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

CacheFootprint footprint_after(const CachePlan& plan, const CacheModel& model, int step) {
  const bool two_streams = std::any_of(model.sites.begin(), model.sites.end(),
                                       [](const CacheSite& site) { return site.context; });
  CacheFootprint footprint;
  for (int site = 0; site < plan.all_sites(); ++site) {
    if (!alive_after(plan, site, step)) continue;
    const bool range = site >= plan.sites;
    if (range || !model.sites[site].context) ++footprint.image;
    if (range ? two_streams : model.sites[site].context) ++footprint.context;
  }
  return footprint;
}

CacheFootprint peak_footprint(const CachePlan& plan, const CacheModel& model) {
  CacheFootprint peak;
  for (int step = 0; step < plan.steps; ++step) {
    const CacheFootprint now = footprint_after(plan, model, step);
    peak.image = std::max(peak.image, now.image);
    peak.context = std::max(peak.context, now.context);
  }
  return peak;
}

int phase_period(std::span<const int64_t> intervals, int steps) {
  int64_t period = 1;
  for (int64_t interval : intervals) {
    period =
        std::min<int64_t>(std::lcm(period, std::max<int64_t>(interval, 1)), std::max(steps, 1));
  }
  return static_cast<int>(period);
}

}  // namespace tessera
