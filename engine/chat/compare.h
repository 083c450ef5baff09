// Truth, equality, order and membership as Python defines them. Pure but for the meter they charge;
// called on the rendering thread.
#pragma once

#include <cstddef>
#include <string_view>

#include "engine/chat/value.h"

namespace tessera::jinja {

enum class Comparison { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual };

bool truth(const Value& value);
bool equal(Meter& meter, const Value& left, const Value& right);
// Fails for types that Python does not order.
bool compare(Meter& meter, Comparison comparison, const Value& left, const Value& right);
// `item in container`; runs an iterator forward to the match, as Python does.
bool contains(Meter& meter, const Value& container, const Value& item);
// `left is right`, as far as it is well defined.
bool identical(const Value& left, const Value& right);

// Equal values have equal hashes; fails for types that Python does not hash.
std::size_t hash_value(Meter& meter, const Value& value);
std::size_t hash_text(std::string_view text);

}  // namespace tessera::jinja
