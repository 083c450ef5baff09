// Python's two ways to format text: "%s" % values and "{}".format(values). Rendering thread only.
#pragma once

#include "engine/chat/value.h"

namespace tessera::jinja {

// `format % values`; values is a tuple, a dict for %(name)s, or one value.
Value format_percent(Meter& meter, const Text& format, const Value& values);

// `format.format(...)`.
Value format_braces(Meter& meter, const Text& format, const Arguments& arguments);

// One value by a format specification such as ">8", "05d" or ".2f".
std::string format_value(Meter& meter, const Value& value, std::string_view specification);

}  // namespace tessera::jinja
