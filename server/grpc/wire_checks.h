// What is the same in every wire request: fields of a newer contract, ids, policies, numbers that
// are none. Pure; any thread.
#pragma once

#include <google/protobuf/message.h>

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "engine/api/request.h"
#include "tessera/v1/generation.pb.h"

namespace tessera {

// INVALID_ARGUMENT, "`field` `what`".
absl::Status invalid(absl::string_view field, absl::string_view what);

// UNIMPLEMENTED where `message`, or one inside it, has a field that this server's contract does not
// have: a newer client has set it for a reason. `path` is that of `message`, empty for a request.
absl::Status refuse_unknown_fields(const google::protobuf::Message& message,
                                   const std::string& path);

absl::Status check_id(const std::string& id);
// Of a request, if it has one.
template <class Wire>
absl::Status map_id(const Wire& wire, RequestId& id) {
  if (!wire.has_request_id()) return absl::OkStatus();
  id = wire.request_id();
  return check_id(id);
}

absl::Status map_policies(const google::protobuf::Map<std::string, v1::PolicyParams>& wire,
                          std::map<std::string, PolicyParams>& policies);

}  // namespace tessera
