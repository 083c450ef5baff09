// Why a listener could not be had, for the operator. Any thread.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace tessera {

// UNAVAILABLE, one sentence with the setting, the address and the system's reason, found by trying
// once more: the libraries that failed only say that they did.
absl::Status listen_error(const std::string& setting, const std::string& address);

}  // namespace tessera
