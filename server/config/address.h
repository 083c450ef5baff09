// Listening addresses as people write them: host:port, the host an IP address, [IPv6] or a name.
// Pure; any thread.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace tessera {

struct Address {
  std::string host;  // without brackets
  int port = 0;      // 0..65535; 0 = any free one
};

// INVALID_ARGUMENT says what is missing.
absl::StatusOr<Address> parse_address(absl::string_view text);

// True for 127.0.0.0/8, ::1 and "localhost": nobody outside this machine can connect.
bool is_loopback(const Address& address);

}  // namespace tessera
