#include "engine/chat/number_text.h"

#include <cmath>
#include <cstdlib>

#include "engine/chat/unicode.h"

namespace tessera::jinja {
namespace {

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(leading_space(text));
  text.remove_suffix(trailing_space(text));
  return text;
}

char lower_ascii(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte | 0x20) : byte;
}

int digit_of(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  const char lower = lower_ascii(byte);
  return lower >= 'a' && lower <= 'z' ? lower - 'a' + 10 : 99;
}

bool ascii_digit(char byte) { return byte >= '0' && byte <= '9'; }

}  // namespace

std::optional<Integer> read_integer(std::string_view text, int base) {
  if (base != 0 && (base < 2 || base > 36)) return std::nullopt;
  text = trimmed(text);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const char mark = text.size() > 1 && text[0] == '0' ? lower_ascii(text[1]) : '\0';
  const int marked = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
  bool after_mark = false;
  if (marked != 0 && (base == 0 || base == marked)) {
    base = marked;
    text.remove_prefix(2);
    after_mark = true;
  } else if (base == 0) {
    base = 10;
    if (text.size() > 1 && text[0] == '0' &&
        text.find_first_not_of("0_") != std::string_view::npos) {
      return std::nullopt;
    }
  }
  Integer value = 0;
  bool may_part = after_mark, ended_in_digit = false;
  for (char byte : text) {
    if (byte == '_') {
      if (!may_part) return std::nullopt;
      may_part = ended_in_digit = false;
      continue;
    }
    const int digit = digit_of(byte);
    if (digit >= base) return std::nullopt;
    if (__builtin_mul_overflow(value, Integer{base}, &value) ||
        __builtin_add_overflow(value, Integer{digit}, &value)) {
      fail_unsupported("an integer beyond 128 bits");
    }
    may_part = ended_in_digit = true;
  }
  if (!ended_in_digit) return std::nullopt;
  return negative ? -value : value;
}

std::optional<double> read_float(std::string_view text) {
  text = trimmed(text);
  std::string plain, word;
  char before = '\0';
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char byte = text[at];
    // An underscore may stand between two digits.
    if (byte == '_') {
      if (!ascii_digit(before) || at + 1 == text.size() || !ascii_digit(text[at + 1])) {
        return std::nullopt;
      }
    } else {
      plain += byte;
      if (!(at == 0 && (byte == '+' || byte == '-'))) word += lower_ascii(byte);
    }
    before = byte;
  }
  const bool words = word == "inf" || word == "infinity" || word == "nan";
  // strtod takes more than Python does: hexadecimal floats and nan(...).
  if (!words && plain.find_first_not_of("0123456789+-.eE") != std::string::npos)
    return std::nullopt;
  if (plain.empty()) return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(plain.c_str(), &end);
  if (*end != '\0' || end == plain.c_str()) return std::nullopt;
  return value;
}

std::optional<Integer> truncated(double value) {
  if (!std::isfinite(value)) return std::nullopt;
  if (std::fabs(value) >= 1e38) fail_unsupported("an integer beyond 128 bits");
  return static_cast<Integer>(value);
}

}  // namespace tessera::jinja
