// The kinds of residual branches that cache policies tell apart. Pure; any thread.
#pragma once

#include <cstdint>

namespace tessera {

enum class SiteKind : uint8_t { kSelf, kTemporal, kCross, kJoint, kMlp, kMlpContext };

constexpr const char* site_kind_name(SiteKind kind) {
  constexpr const char* kNames[] = {"self", "temporal", "cross", "joint", "mlp", "mlp_context"};
  return kNames[static_cast<int>(kind)];
}

}  // namespace tessera
