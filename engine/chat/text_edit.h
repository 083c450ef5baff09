// Edits of text that filters and string methods share. Charged to the meter; rendering thread only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/chat/value.h"

namespace tessera::jinja {

enum class Side { kLeft, kRight, kBoth };

// Without the white space at its ends, or without the code points in *chars.
std::string_view stripped(Meter& meter, std::string_view text, Side side, const Text* chars);

// str.replace; a negative count replaces all.
std::string replaced(Meter& meter, const Text& text, std::string_view old, std::string_view fresh,
                     Integer count);

// str.split and str.rsplit; no separator splits at runs of white space, a negative `most` has no
// limit. Fails on an empty separator.
std::vector<std::string_view> split(Meter& meter, std::string_view text, const Text* separator,
                                    Integer most);
std::vector<std::string_view> split_right(Meter& meter, std::string_view text,
                                          const Text* separator, Integer most);

// str.splitlines.
std::vector<std::string_view> split_lines(Meter& meter, std::string_view text, bool keep_ends);

// str.isupper and str.islower: some code point has `wanted` and none has one of `other`.
bool text_is_cased(Meter& meter, const Text& text, std::uint32_t wanted, std::uint32_t other);

// Padded with `fill` to a width in code points; kRight pads on the left.
std::string justified(Meter& meter, const Text& text, Side side, Integer width, char32_t fill);

}  // namespace tessera::jinja
