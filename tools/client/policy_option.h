// The value of --policy. Pure.
#pragma once

#include <google/protobuf/map.h>

#include <string>

#include "absl/status/status.h"
#include "tessera/v1/generation.pb.h"

namespace tessera {

// "NAME" or "NAME:key=value,key=value": true and 5 and 0.5 are what they look like, the rest is
// text. INVALID_ARGUMENT says what was expected.
absl::Status add_policy(const std::string& text,
                        google::protobuf::Map<std::string, v1::PolicyParams>& policies);

}  // namespace tessera
