// One event as a line of JSON, for programs that read `tessera generate --json`. Pure.
#pragma once

#include <string>

#include "tessera/v1/generation.pb.h"

namespace tessera {

// {"event": "delta", "request_id": ..., the event's own fields}. Token text that is part of a code
// point stands as "bytes", a list of numbers. No newline.
std::string event_json(const v1::GenerateTextEvent& event);

}  // namespace tessera
