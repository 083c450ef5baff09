// Engine status to gRPC status: same code, a message short enough for trailers, and the standard
// details: BadRequest names the field, RetryInfo says when to try again. Any thread.
#pragma once

#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"

namespace tessera {

grpc::Status to_grpc_status(const absl::Status& status);

// Well-formed UTF-8 of at most 1,000 bytes: what may stand in an event or a trailer.
std::string sendable_message(absl::string_view message);

}  // namespace tessera
