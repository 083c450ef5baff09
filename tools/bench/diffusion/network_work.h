// What a step of a diffusion network costs, branch by branch, counted from its shape: a multiply
// and an add are two operations. Pure; any thread.
//
// With N rows of a sample and branch of guidance, P of them in a frame, F frames, D width and S
// rows of condition, a residual branch costs
//   self-attention      8 N D^2 + 4 N P D   (causal: the mean of 1..N instead of P)
//   temporal attention  8 N D^2 + 4 N F D
//   cross-attention     4 N D^2 + 4 N S D   (K and V of the condition are made once a job)
//   MLP                16 N D^2
// and the rest of a step is patches in and out and what depends on the timestep alone.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/branch/site_kind.h"
#include "engine/weights/diffusers/pipeline_config.h"

namespace tessera {

// One residual branch, in the order that decision traces have.
struct NetworkSite {
  int block = 0;
  SiteKind kind = SiteKind::kSelf;
  double operations = 0;  // a step, for one sample and branch of guidance
};

// Of latents; 0 = as trained.
struct StepSize {
  int64_t frames = 0, height = 0, width = 0;
  int64_t condition_rows = 0;
};

struct NetworkWork {
  std::vector<NetworkSite> sites;
  double other_operations = 0;  // of the step outside of all sites
  bool guided = false;          // the conditional and the unconditional branch run

  double step_operations() const;
};

// UNIMPLEMENTED for a network that this count does not know.
absl::StatusOr<NetworkWork> network_work(const TransformerConfig& transformer,
                                         const StepSize& size);

}  // namespace tessera
