// Uniform reuse of branch outputs (FORA, Selvaraju, Ding, Chen, Zharkov, Liang, 2024): attention
// and MLP compute every n-th step and are added again in between. The baseline of every other
// schedule.
#include "engine/branch/policies/uniform_reuse.h"

namespace tessera {
namespace {

int64_t interval_of(const UniformReuseParams& params, SiteKind kind) {
  int64_t own = 0;
  switch (kind) {
    case SiteKind::kSelf:
      own = params.self;
      break;
    case SiteKind::kTemporal:
      own = params.temporal;
      break;
    case SiteKind::kCross:
      own = params.cross;
      break;
    case SiteKind::kJoint:
      own = params.joint;
      break;
    case SiteKind::kMlp:
    case SiteKind::kMlpContext:
      own = params.mlp;
      break;
  }
  return own == 0 ? params.interval : own;
}

}  // namespace

MadeCachePolicy UniformReuse::make(const UniformReuseParams& params, const CacheModel& model,
                                   const CacheJob& job) {
  CachePlan plan(model, job);
  plan.gated = params.gate_point == GatePoint::kPostGate;
  for (int site = 0; site < plan.sites; ++site) {
    const int64_t interval = interval_of(params, model.sites[site].kind);
    for (int64_t step = params.first_step; step < plan.steps; ++step) {
      if ((step - params.first_step) % interval == 0) continue;
      plan.at(site, static_cast<int>(step)) = CacheVerdict::kReuse;
    }
  }
  plan.keep_what_is_reused();
  return std::make_unique<CachePolicy>(std::move(plan));
}

}  // namespace tessera
