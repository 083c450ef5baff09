// Python's stable sort. Rendering thread only.
#pragma once

#include <cstddef>
#include <vector>

#include "engine/chat/value.h"

namespace tessera::jinja {

// The places of the keys in ascending order, equal ones in the order given (also when reversed, as
// Python does). Fails for keys that cannot be ordered.
std::vector<std::size_t> sorted_places(Meter& meter, const std::vector<Value>& keys, bool reverse);

}  // namespace tessera::jinja
