// Pyramid Attention Broadcast as a cache policy; see pab.cc. The header exists for the registry
// line and the test.
#pragma once

#include <memory>
#include <string>

#include "engine/branch/cache_policy.h"

namespace tessera {

// An attention of one kind computes every `range`-th step while low < timestep < high.
struct BroadcastWindow {
  int64_t range = 1;
  double low = 100, high = 800;
};

struct PabParams {
  BroadcastWindow spatial{2}, temporal{3}, cross{6};
  std::string mlp_timesteps{};
  std::string mlp_blocks = "0-4";
  int64_t mlp_skip = 2;
  GatePoint gate_point = GatePoint::kPreGate;

  template <class V>
  void visit(V& v) {
    const Bounds ranges = between(1, 1000), edges = between(-1e9, 1e9);
    v("spatial_range", spatial.range, ranges, "steps per spatial or joint attention; 1 = all");
    v("spatial_low", spatial.low, edges, "reuse only above this timestep");
    v("spatial_high", spatial.high, edges, "reuse only below this timestep");
    v("temporal_range", temporal.range, ranges, "steps per temporal attention; 1 = all");
    v("temporal_low", temporal.low, edges, "reuse only above this timestep");
    v("temporal_high", temporal.high, edges, "reuse only below this timestep");
    v("cross_range", cross.range, ranges, "steps per cross-attention; 1 = all");
    v("cross_low", cross.low, edges, "reuse only above this timestep");
    v("cross_high", cross.high, edges, "reuse only below this timestep");
    v("mlp_timesteps", mlp_timesteps, "timesteps after which MLPs are reused: \"720,640\"");
    v("mlp_blocks", mlp_blocks, "blocks of each kind whose MLPs are reused then: \"0-4,7\"");
    v("mlp_skip", mlp_skip, between(0, 1000), "steps that reuse an MLP after such a timestep");
    v("gate_point", gate_point, OneOf{{"pre_gate", "post_gate"}},
      "whether a fresh gate multiplies what is reused");
  }
};

struct Pab {
  static MadeCachePolicy make(const PabParams& params, const CacheModel& model,
                              const CacheJob& job);
};

}  // namespace tessera
