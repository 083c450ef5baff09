// Recounts the invariants of engine/README.md on what jobs hold of a diffusion engine's pools,
// trusting none of the pools' counters. Pure; used by the simulation and after every step in debug
// builds.
#pragma once

#include <string>
#include <vector>

#include "engine/diffusion/job_ledger.h"

namespace tessera {

// `admitted` hold everything of their plan, `others` nothing. Empty when everything holds.
std::vector<std::string> recount(const JobLedger& ledger, const std::vector<const Job*>& admitted,
                                 const std::vector<const Job*>& others);

}  // namespace tessera
