// Attributes and items, as Jinja's immutable sandbox hands them out: what is missing gives an
// undefined value, names of Python's internals and methods that would change a container give one
// that fails when used. Rendering thread only.
#pragma once

#include <string_view>

#include "engine/chat/value.h"

namespace tessera::jinja {

// object.name: a method or attribute first, then an item of a dict.
Value attribute_of(Meter& meter, const Value& object, std::string_view name);
// object.name without falling back to items, as the filter `attr` does.
Value attribute_only(Meter& meter, const Value& object, std::string_view name);
// object[key]: an item first, then an attribute.
Value item_of(Meter& meter, const Value& object, const Value& key);
// object[start:stop:step]; missing or none bounds are Python's defaults.
Value slice_of(Meter& meter, const Value& object, const Value& start, const Value& stop,
               const Value& step);
// Follows an "a.b.0" path of items, as filters with an `attribute` argument do; `path` may be an
// int.
Value path_of(Meter& meter, const Value& object, const Value& path);

}  // namespace tessera::jinja
