#include "engine/chat/string_literal.h"

#include "engine/chat/failure.h"
#include "engine/chat/unicode.h"

namespace tessera::jinja {
namespace {

int hex_digit(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  const char lower = static_cast<char>(byte | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// \n and its like, or -1.
int plain_escape(char byte) {
  switch (byte) {
    case '\\':
    case '\'':
    case '"':
      return byte;
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    default:
      return -1;
  }
}

}  // namespace

std::string unescape(std::string_view literal, int line) {
  std::string out;
  for (std::size_t at = 0; at < literal.size();) {
    if (literal[at] != '\\' || at + 1 == literal.size()) {
      out += literal[at++];
      continue;
    }
    const char escape = literal[at + 1];
    const int hex_size = escape == 'x' ? 2 : escape == 'u' ? 4 : escape == 'U' ? 8 : 0;
    char32_t point = 0;
    if (const int plain = plain_escape(escape); plain >= 0) {
      out += static_cast<char>(plain);
      at += 2;
    } else if (escape == '\n') {
      at += 2;
    } else if (escape >= '0' && escape <= '7') {
      ++at;
      for (int digits = 0;
           digits < 3 && at < literal.size() && literal[at] >= '0' && literal[at] <= '7';
           ++digits) {
        point = point * 8 + static_cast<char32_t>(literal[at++] - '0');
      }
      append_point(out, point);
    } else if (hex_size > 0) {
      at += 2;
      for (int digits = 0; digits < hex_size; ++digits, ++at) {
        const int digit = at < literal.size() ? hex_digit(literal[at]) : -1;
        if (digit < 0) {
          throw Failure(absl::StatusCode::kInvalidArgument,
                        std::string("truncated \\") + escape + " escape", line);
        }
        point = point * 16 + static_cast<char32_t>(digit);
      }
      if (point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) {
        throw Failure(absl::StatusCode::kUnimplemented,
                      "not supported: an escape that is no Unicode character", line);
      }
      append_point(out, point);
    } else if (escape == 'N') {
      throw Failure(absl::StatusCode::kUnimplemented, "not supported: the escape \\N{...}", line);
    } else {
      out += '\\';
      ++at;
    }
  }
  return out;
}

}  // namespace tessera::jinja
