// The smallest HTTP client that reads /metrics. Main thread.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace tessera {

// The body of http://`address``path`. UNAVAILABLE when nobody answers well within
// `timeout_seconds`.
absl::StatusOr<std::string> http_get(const std::string& address, const std::string& path,
                                     double timeout_seconds);

}  // namespace tessera
