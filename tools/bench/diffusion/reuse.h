// What a policy left out, read from the decision trace of a job, and the speed-up that this
// promises. Pure; any thread.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/bench/diffusion/network_work.h"

namespace tessera {

// Shares of the time of a step that computes everything: each site's, and what no policy can spare.
// They sum to 1.
struct StepShares {
  std::vector<double> sites;  // in the order of the trace
  double other = 0;
  std::string source;  // how they were found, for the report
};

struct Reuse {
  // Per kind of branch, the fraction of its executions that did not run.
  std::map<SiteKind, double> by_kind;
  double unguided = 0;           // fraction of steps without the unconditional branch
  double site_work = 0;          // sum of the sites' shares that ran, mean over steps and samples
  double operations_ratio = 1;   // of everything to what ran
  double predicted_speedup = 1;  // 1 / (1 - sum over kinds of share x fraction that did not run)
};

// `trace` has a word for each sample in every step: a letter for each site of the network, R or -
// where it did not run, then perhaps "|" and letters of ranges, then perhaps ":c" where guidance's
// unconditional branch did not run at all. A step without that branch counts half.
// INVALID_ARGUMENT when the letters are not those of the network.
absl::StatusOr<Reuse> reuse_of(const std::vector<std::string>& trace, const NetworkWork& work,
                               const StepShares& shares);

}  // namespace tessera
