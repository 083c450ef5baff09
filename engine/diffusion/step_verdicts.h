// What one sample does in one step at every site and range of its job's cache plan: read from the
// plan's table, with the answers to its questions filled in as they are given. Both guidance
// branches do the same. A plain value; engine thread.
#pragma once

#include <string>
#include <vector>

#include "engine/branch/cache_policy.h"
#include "engine/diffusion/feature_slots.h"

namespace tessera {

// Branches of the network, of one segment in one step; each counts once. Those of a kept range are
// kept, those of a reused one reused.
struct VerdictCounts {
  int64_t computed = 0, kept = 0, reused = 0;  // computed and not kept, computed and kept
};

class StepVerdicts {
 public:
  // Both outlive this.
  StepVerdicts(const CacheModel& network, const CachePlan& plan, int step);

  // The first cut whose question is open, as an index of the plan's cuts, or -1.
  int open_cut() const;
  // REQUIRES: a question is open.
  void answer(CacheVerdict verdict);

  // At a site of the network, in or out of a reused range; what is asked counts as computed.
  FeatureVerdict at_site(int site) const;
  VerdictCounts counts() const;
  VerdictCounts counts(int site) const;  // of this branch alone
  // A letter per site: C computed, K computed and kept, R reused, - not run; where there are
  // ranges, then | and the same for each.
  std::string letters() const;

  // Writes the decisions of one segment, and takes blocks for what it keeps.
  void decide(const FeatureSizes& sizes, FeatureSlots& slots, PlannedSegment& segment) const;
  // After the step: `slots` keep what later steps need.
  void settle(FeatureSlots& slots) const;

 private:
  void decide_range(int site, const FeatureSizes& sizes, FeatureSlots& slots,
                    PlannedSegment& segment) const;
  // The cut that asks about the change of this range, in this step, or -1.
  int cut_of_probe(int site) const;
  bool in_range(int block, CacheVerdict verdict) const;

  const CacheModel* network_;
  const CachePlan* plan_;
  int step_;
  std::vector<CacheVerdict> verdicts_;  // [sites + ranges]
};

}  // namespace tessera
