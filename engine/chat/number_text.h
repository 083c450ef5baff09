// Reading numbers from text as Python's int() and float() do. Pure functions.
#pragma once

#include <optional>
#include <string_view>

#include "engine/chat/value.h"

namespace tessera::jinja {

// int(text, base); base 0 takes the base from a prefix. Nothing when Python would raise ValueError.
std::optional<Integer> read_integer(std::string_view text, int base);
// float(text).
std::optional<double> read_float(std::string_view text);
// int(value) of a float; nothing for NaN and infinities.
std::optional<Integer> truncated(double value);

}  // namespace tessera::jinja
