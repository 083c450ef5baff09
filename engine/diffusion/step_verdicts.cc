#include "engine/diffusion/step_verdicts.h"

#include "kernels/core/check.h"

namespace tessera {
namespace {

FeatureVerdict feature_verdict(CacheVerdict verdict) {
  switch (verdict) {
    case CacheVerdict::kComputeAndKeep:
      return FeatureVerdict::kComputeAndKeep;
    case CacheVerdict::kReuse:
      return FeatureVerdict::kReuse;
    case CacheVerdict::kCompute:
    case CacheVerdict::kAsk:
      break;
  }
  return FeatureVerdict::kCompute;
}

char letter_of(FeatureVerdict verdict) { return "CKR-"[static_cast<int>(verdict)]; }

}  // namespace

StepVerdicts::StepVerdicts(const CacheModel& network, const CachePlan& plan, int step)
    : network_(&network), plan_(&plan), step_(step) {
  for (int site = 0; site < plan.all_sites(); ++site) verdicts_.push_back(plan.at(site, step));
}

int StepVerdicts::open_cut() const {
  for (size_t cut = 0; cut < plan_->cuts.size(); ++cut) {
    if (verdicts_[plan_->cuts[cut].range] == CacheVerdict::kAsk) return static_cast<int>(cut);
  }
  return -1;
}

void StepVerdicts::answer(CacheVerdict verdict) {
  const int open = open_cut();
  CHECK(open >= 0 && verdict != CacheVerdict::kAsk);
  const CacheCut& cut = plan_->cuts[open];
  const bool keep = verdict == CacheVerdict::kComputeAndKeep;
  verdicts_[cut.range] = verdict;
  verdicts_[cut.probe] = keep ? CacheVerdict::kComputeAndKeep : CacheVerdict::kCompute;
}

int StepVerdicts::cut_of_probe(int site) const {
  if (plan_->at(site, step_) != CacheVerdict::kAsk) return -1;
  for (size_t cut = 0; cut < plan_->cuts.size(); ++cut) {
    if (plan_->cuts[cut].probe == site) return static_cast<int>(cut);
  }
  return -1;
}

bool StepVerdicts::in_range(int block, CacheVerdict verdict) const {
  for (size_t range = 0; range < plan_->ranges.size(); ++range) {
    if (verdicts_[plan_->sites + range] == verdict && plan_->ranges[range].first_block <= block &&
        block <= plan_->ranges[range].last_block) {
      return true;
    }
  }
  return false;
}

FeatureVerdict StepVerdicts::at_site(int site) const {
  const CacheSite& about = network_->sites[site];
  if (in_range(about.block, CacheVerdict::kReuse)) return FeatureVerdict::kSkip;
  const FeatureVerdict verdict = feature_verdict(verdicts_[site]);
  if (about.adds) return verdict;
  return verdict == FeatureVerdict::kReuse ? FeatureVerdict::kSkip : FeatureVerdict::kCompute;
}

VerdictCounts StepVerdicts::counts() const {
  VerdictCounts all;
  for (int site = 0; site < plan_->sites; ++site) {
    const VerdictCounts one = counts(site);
    all.computed += one.computed;
    all.kept += one.kept;
    all.reused += one.reused;
  }
  return all;
}

VerdictCounts StepVerdicts::counts(int site) const {
  const FeatureVerdict verdict = at_site(site);
  if (verdict == FeatureVerdict::kReuse || verdict == FeatureVerdict::kSkip) return {.reused = 1};
  const bool kept = verdict == FeatureVerdict::kComputeAndKeep ||
                    in_range(network_->sites[site].block, CacheVerdict::kComputeAndKeep);
  return kept ? VerdictCounts{.kept = 1} : VerdictCounts{.computed = 1};
}

std::string StepVerdicts::letters() const {
  std::string letters;
  for (int site = 0; site < plan_->sites; ++site) letters += letter_of(at_site(site));
  if (!plan_->ranges.empty()) letters += '|';
  for (int site = plan_->sites; site < plan_->all_sites(); ++site) {
    letters += letter_of(feature_verdict(verdicts_[site]));
  }
  return letters;
}

void StepVerdicts::decide(const FeatureSizes& sizes, FeatureSlots& slots,
                          PlannedSegment& segment) const {
  segment.sites.assign(plan_->sites, {});
  segment.ranges.clear();
  for (int site = 0; site < plan_->sites; ++site) {
    SiteDecision& decision = segment.sites[site];
    decision.verdict = at_site(site);
    decision.gated = plan_->gated;
    if (decision.verdict == FeatureVerdict::kComputeAndKeep) {
      decision.blocks = slots.hold(site, sizes.of_site(network_->sites[site].context));
    } else if (decision.verdict == FeatureVerdict::kReuse) {
      decision.blocks = slots.of(site);
      CHECK(!decision.blocks.empty());
    }
  }
  for (int site = plan_->sites; site < plan_->all_sites(); ++site) {
    decide_range(site, sizes, slots, segment);
  }
}

void StepVerdicts::decide_range(int site, const FeatureSizes& sizes, FeatureSlots& slots,
                                PlannedSegment& segment) const {
  const CacheRange& range = plan_->ranges[site - plan_->sites];
  const int cut = cut_of_probe(site);
  if (cut >= 0) {
    // Its change of now lies apart until the answer says whether it is kept; then it is past.
    if (verdicts_[site] != CacheVerdict::kAsk) return;
    segment.ranges.push_back({range.first_block, range.last_block, FeatureVerdict::kComputeAndKeep,
                              slots.hold(plan_->all_sites() + cut, sizes.of_range())});
  } else if (verdicts_[site] == CacheVerdict::kComputeAndKeep) {
    segment.ranges.push_back({range.first_block, range.last_block, FeatureVerdict::kComputeAndKeep,
                              slots.hold(site, sizes.of_range())});
  } else if (verdicts_[site] == CacheVerdict::kReuse) {
    CHECK(!slots.of(site).empty());
    segment.ranges.push_back(
        {range.first_block, range.last_block, FeatureVerdict::kReuse, slots.of(site)});
  }
}

void StepVerdicts::settle(FeatureSlots& slots) const {
  for (size_t cut = 0; cut < plan_->cuts.size(); ++cut) {
    const int probe = plan_->cuts[cut].probe, now = plan_->all_sites() + static_cast<int>(cut);
    if (cut_of_probe(probe) >= 0 && verdicts_[probe] == CacheVerdict::kComputeAndKeep) {
      slots.swap(probe, now);
    }
    slots.drop(now);
  }
  for (int site = 0; site < plan_->all_sites(); ++site) {
    if (!slots.of(site).empty() && !alive_after(*plan_, site, step_)) slots.drop(site);
  }
}

}  // namespace tessera
