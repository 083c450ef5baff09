// One event as a line of JSON, for programs that read what --json prints. Pure.
#pragma once

#include <string>

#include "tessera/v1/generation.pb.h"

namespace tessera {

// {"event": "delta", "request_id": ..., the event's own fields}. Token text that is part of a code
// point stands as "bytes", a list of numbers. No newline.
std::string event_json(const v1::GenerateTextEvent& event);

// Of a part of a result, its place and size, but not the bytes; `file` is where they are, if this
// was the last part and it was written.
std::string event_json(const v1::DenoiseEvent& event, const std::string& file);

}  // namespace tessera
