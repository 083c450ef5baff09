// Where the shares of a step's time come from that predictions are made with. Pure; any thread.
#pragma once

#include "tools/bench/diffusion/network_work.h"
#include "tools/bench/diffusion/reuse.h"

namespace tessera {

// Shares by operations: right as far as all operations take as long as each other. Elementwise
// work, which is most of what is outside of the matrix products, takes longer than it counts for.
StepShares shares_by_operations(const NetworkWork& work);

// Shares that a daemon measured when it loaded the model, by the name of the kind (site_kind_name):
// of every kind, spread evenly over its sites. What is left of 1 is outside of the sites. Names of
// no kind count as outside; without any kind there is nothing measured, and shares are by
// operations.
StepShares shares_by_kind(const NetworkWork& work, const std::map<std::string, double>& measured);

}  // namespace tessera
