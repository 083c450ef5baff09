// Decides one step: Dynamic SplitFuse (DeepSpeed-FastGen, 2024). Decode goes first, then one chunk
// per prompt until the token budget or the step time is used up; a prompt starts only when all of
// it fits the KV memory; when blocks run out the last in order gives its own back and is
// recomputed later. Pure.
#pragma once

#include <string>
#include <vector>

#include "engine/schedule/admission_order.h"
#include "engine/schedule/snapshot.h"
#include "engine/schedule/step_decision.h"

namespace tessera {

StepDecision plan_step(const StepSnapshot& snapshot, const StepLimits& limits,
                       const AdmissionOrder& order);

// Every rule of engine/README.md that the decision breaks, in words.
std::vector<std::string> check_decision(const StepSnapshot& snapshot, const StepLimits& limits,
                                        const StepDecision& decision);

}  // namespace tessera
