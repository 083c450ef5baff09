// Matching the arguments of a call with a builtin's parameters, as Python would. Rendering thread
// only.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "engine/chat/value.h"

namespace tessera::jinja {

// One value per name, missing where none was given. The first `required` must be given; an unknown
// keyword or too many arguments fail naming the function.
std::vector<Value> bind(const char* function, const Arguments& arguments,
                        std::initializer_list<const char*> names, std::size_t required = 0);
// The same for functions that take no keywords.
std::vector<Value> bind_positional(const char* function, const Arguments& arguments,
                                   std::size_t required, std::size_t most);

bool given(const Value& value);  // neither missing nor None

// Converters of bound values; `what` names the argument in failures.
Integer integer_argument(const Value& value, Integer fallback, const char* what);
const Text& text_argument(const Value& value, const char* what);
bool flag_argument(const Value& value);  // truth; missing is false

}  // namespace tessera::jinja
