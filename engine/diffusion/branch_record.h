// What every residual branch of a network added to its stream in one run, for calibration. A plain
// value. S steps.
#pragma once

#include <string>
#include <vector>

#include "engine/branch/cache_policy.h"

namespace tessera {

struct RecordedBranch {
  std::string name;  // as in site_names
  CacheSite site;
  std::vector<float> outputs;  // [S][rows][width], before the gate; empty where it adds nothing
};

struct BranchRecord {
  std::string checkpoint;        // its fingerprint
  std::string solver;            // of the run
  std::vector<float> timesteps;  // [S]
  std::vector<RecordedBranch> branches;

  int steps() const { return static_cast<int>(timesteps.size()); }
};

}  // namespace tessera
