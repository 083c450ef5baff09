// UTF-8 text by code points, with the character classes and case changes of Python's str. Pure
// functions, any thread. Every string_view argument is valid UTF-8 unless said otherwise; offsets
// named `byte` count bytes, all others count code points.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tessera::jinja {

enum CharFlag : std::uint32_t {
  kAlpha = 1 << 0,
  kDecimal = 1 << 1,
  kDigit = 1 << 2,
  kNumeric = 1 << 3,
  kSpace = 1 << 4,
  kPrintable = 1 << 5,
  kLower = 1 << 6,
  kUpper = 1 << 7,
  kTitle = 1 << 8,
  kCased = 1 << 9,
  kCaseIgnorable = 1 << 10,
};

// The CharFlags of a code point, or-ed.
std::uint32_t char_flags(char32_t point);
inline bool is_space(char32_t point) { return (char_flags(point) & kSpace) != 0; }

// Accepts any bytes; refuses overlong forms, surrogates and code points beyond 0x10FFFF.
bool valid_utf8(std::string_view bytes);

std::size_t count_points(std::string_view text);
// Decodes the code point at `byte` and moves `byte` behind it. REQUIRES: byte < text.size().
char32_t next_point(std::string_view text, std::size_t& byte);
// Moves `byte` to the start of the code point before it and decodes it. REQUIRES: byte > 0.
char32_t previous_point(std::string_view text, std::size_t& byte);
void append_point(std::string& text, char32_t point);
// Byte offset of the code point with this index; text.size() when index is the length or more.
std::size_t byte_of_point(std::string_view text, std::size_t index);

std::string to_lower(std::string_view text);
std::string to_upper(std::string_view text);
// str.title: the first cased letter of each run of cased letters in title case, the rest in lower.
std::string to_title(std::string_view text);
// str.capitalize: the first code point in title case, the rest in lower case.
std::string to_capitalized(std::string_view text);
std::string to_swapped_case(std::string_view text);

// Bytes of leading and trailing white space.
std::size_t leading_space(std::string_view text);
std::size_t trailing_space(std::string_view text);

// Byte offset of the first or last occurrence, or npos; linear in both lengths for any input.
std::size_t find_first(std::string_view text, std::string_view part, std::size_t from_byte = 0);
std::size_t find_last(std::string_view text, std::string_view part);

}  // namespace tessera::jinja
