// Escapes in string literals, as Python reads them. Called at load.
#pragma once

#include <string>
#include <string_view>

namespace tessera::jinja {

// The value of a literal's inside; `line` is named in failures. Unknown escapes stay as they are.
std::string unescape(std::string_view literal, int line);

}  // namespace tessera::jinja
