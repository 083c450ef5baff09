// Running through values, as Python's iter(), reversed(), len() and list() do. Rendering thread
// only; iterators keep what they run through alive.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/chat/value.h"

namespace tessera::jinja {

// Fails for values that cannot be iterated. An iterator gives itself.
Ref<Iterator> iterate(Meter& meter, const Value& value);
// Null for values that cannot be iterated backwards.
Ref<Iterator> iterate_backwards(Meter& meter, const Value& value);
bool iterable(const Value& value);

// Python's generator: each call of `step` gives one item or false. `depth` must cover every value
// that the step has captured; `captured` is their size in bytes when they may be many. Steps that
// run inside each other are counted, a step that runs inside itself is refused, as in Python.
Ref<Iterator> make_generator(Meter& meter, int depth, std::function<bool(Value&)> step,
                             std::size_t captured = 0);

// All items; an iterator is run to its end.
std::vector<Value> items_of(Meter& meter, const Value& value);

// len(value), or -1 when it has none.
std::int64_t length_or_none(const Value& value);
std::int64_t length_of(const Value& value);

// The code point of a text at an index that counts from the end when negative; false when outside.
bool point_at(Meter& meter, const Text& text, Integer index, Value& point);

}  // namespace tessera::jinja
