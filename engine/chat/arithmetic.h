// Python's arithmetic operators. Integers that leave 128 bits are an error. Rendering thread only.
#pragma once

#include <string>
#include <string_view>

#include "engine/chat/value.h"

namespace tessera::jinja {

enum class BinaryOp { kAdd, kSub, kMul, kDiv, kFloorDiv, kMod, kPow };

Value binary(Meter& meter, BinaryOp op, const Value& left, const Value& right);
Value negate(const Value& value);
Value plus(const Value& value);

// & < > ' " as HTML entities, as markupsafe writes them.
std::string escape_html(std::string_view text);

}  // namespace tessera::jinja
