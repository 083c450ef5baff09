// How Python lays out one formatted value: fill, alignment, sign, width, grouping, precision. Pure
// functions of the rendering thread.
#pragma once

#include <string>
#include <string_view>

#include "engine/chat/value.h"

namespace tessera::jinja {

struct FormatSpec {
  char32_t fill = ' ';
  char align = 0;  // '<', '>', '^', '=' or 0 for the type's own
  char sign = '-';
  bool alternate = false;
  bool zero = false;
  char group = 0;  // ',' or '_'
  int width = 0;
  int precision = -1;
  char type = 0;
};

// "[[fill]align][sign][#][0][width][,][.precision][type]"; fails naming the specification.
FormatSpec parse_format_spec(std::string_view text);

// A width or precision; moves `at` behind its digits. Fails beyond a million.
int parse_size(std::string_view text, std::size_t& at);

std::string layout_text(Meter& meter, std::string_view text, const FormatSpec& spec);
// Types b, c, d, o, x, X.
std::string layout_integer(Meter& meter, Integer value, const FormatSpec& spec);
// Types e, E, f, F, g, G, % and 0, which is repr.
std::string layout_float(Meter& meter, double value, const FormatSpec& spec);

}  // namespace tessera::jinja
