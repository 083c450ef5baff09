// Errors that name a field of the request by its path. The path travels as a payload of the status,
// so that the edge can send it in a form that programs read. Any thread.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace tessera {

// The message is "`field` `what`".
absl::Status field_error(absl::StatusCode code, absl::string_view field, absl::string_view what);

// The field a status is about, or empty: the payload of field_error, else the first word of the
// message where it is the path of a request field, as in "sampling.top_p must be ...".
std::string field_of(const absl::Status& status);

}  // namespace tessera
