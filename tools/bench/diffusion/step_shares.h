// Where the shares of a step's time come from that predictions are made with. Pure; any thread.
#pragma once

#include "tools/bench/diffusion/network_work.h"
#include "tools/bench/diffusion/reuse.h"

namespace tessera {

// Shares by operations: right as far as all operations take as long as each other. Elementwise
// work, which is most of what is outside of the matrix products, takes longer than it counts for.
StepShares shares_by_operations(const NetworkWork& work);

// Shares that the engine measured: of every kind, spread evenly over its sites. Kinds that are
// absent have none; what is left of 1 is outside of the sites.
StepShares shares_by_kind(const NetworkWork& work, const std::map<SiteKind, double>& measured);

}  // namespace tessera
