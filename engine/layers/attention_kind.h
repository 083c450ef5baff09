// The socket of techniques that decide who attends to what, layer by layer, beyond what the
// checkpoint says. Asked once at load; pages that no later query can see are freed.
#pragma once

#include <vector>

#include "engine/registry/registry.h"
#include "engine/weights/model_config.h"

namespace tessera {

class AttentionKind {
 public:
  virtual ~AttentionKind() = default;
  // [L]. INVALID_ARGUMENT when the parameters do not fit the model.
  virtual absl::StatusOr<std::vector<LayerAttention>> layers(const ModelConfig& config) const = 0;
};

using AttentionKinds = Registry<AttentionKind>;

}  // namespace tessera
