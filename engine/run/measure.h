// Warm-up: runs synthetic steps of several sizes on the real workers and fits the cost model to
// their times. Runs before the engine serves; uses pages that no sequence owns yet.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/run/rank_worker.h"
#include "engine/schedule/cost_model.h"

namespace tessera {

// `budget_seconds` bounds the whole measurement; sizes that would not fit are left out.
absl::StatusOr<std::vector<StepSample>> measure_steps(
    std::vector<std::unique_ptr<RankWorker>>& workers, const WorkerPlan& plan,
    double budget_seconds);

}  // namespace tessera
