// Uniform reuse as a cache policy; see uniform_reuse.cc. The header exists for the registry line
// and the test.
#pragma once

#include <memory>

#include "engine/branch/cache_policy.h"

namespace tessera {

struct UniformReuseParams {
  int64_t interval = 3;
  int64_t self = 0, temporal = 0, cross = 0, joint = 0, mlp = 0;
  int64_t first_step = 0;
  GatePoint gate_point = GatePoint::kPreGate;

  template <class V>
  void visit(V& v) {
    v("interval", interval, between(1, 1000), "every n-th step computes; 1 = every step");
    const Bounds own = between(0, 1000);
    v("self", self, own, "interval of self-attention; 0 = interval");
    v("temporal", temporal, own, "interval of temporal attention; 0 = interval");
    v("cross", cross, own, "interval of cross-attention; 0 = interval");
    v("joint", joint, own, "interval of joint attention; 0 = interval");
    v("mlp", mlp, own, "interval of MLPs; 0 = interval");
    v("first_step", first_step, between(0, 1000), "all steps before compute; it computes");
    v("gate_point", gate_point, OneOf{{"pre_gate", "post_gate"}},
      "whether a fresh gate multiplies what is reused");
  }
};

struct UniformReuse {
  static MadeCachePolicy make(const UniformReuseParams& params, const CacheModel& model,
                              const CacheJob& job);
};

}  // namespace tessera
