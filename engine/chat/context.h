// From JSON to template values. Rendering thread only.
#pragma once

#include <nlohmann/json.hpp>

#include "engine/chat/value.h"

namespace tessera::jinja {

// Keeps the order of keys. Fails for strings that are not UTF-8 and for JSON nested too deeply,
// naming the way to them.
Value from_json(Meter& meter, const nlohmann::ordered_json& json);

}  // namespace tessera::jinja
