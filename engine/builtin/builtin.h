// What this build knows, by name: the one place where techniques are listed.
#pragma once

#include <map>
#include <string>

#include "engine/branch/branch_policy.h"
#include "engine/branch/cache_policy.h"
#include "engine/decode/proposer.h"
#include "engine/denoise/guidance.h"
#include "engine/denoise/solver_registry.h"
#include "engine/layers/attention_kind.h"
#include "engine/models/model.h"

namespace tessera {

struct Builtin {
  std::map<std::string, ModelFactory> architectures;  // by name in config.json
  Proposers proposers{"proposer"};
  AttentionKinds attention_kinds{"attention kind"};
  BranchPolicies branch_policies{"branch policy"};
  Solvers solvers;
  GuidancePolicies guidance_policies{"guidance policy"};
  CachePolicies cache_policies{"cache policy"};
  std::string plain_guidance;  // of a request that names none; its parameter is "scale"
};

// Built on first use; read-only.
const Builtin& builtin();

}  // namespace tessera
