// Wire request to engine request. Checks what only the wire can get wrong: nothing to generate
// from, broken JSON, numbers that are none, fields of a newer contract. Bounds of values are the
// engine's. Pure; any thread.
#pragma once

#include "absl/status/statusor.h"
#include "engine/api/request.h"
#include "tessera/v1/generation.pb.h"

namespace tessera {

// INVALID_ARGUMENT or UNIMPLEMENTED, with the field. An absent id stays empty.
absl::StatusOr<TextRequest> to_text_request(const v1::GenerateTextRequest& wire);

}  // namespace tessera
