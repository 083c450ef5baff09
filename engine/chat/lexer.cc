#include "engine/chat/lexer.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "engine/chat/string_literal.h"
#include "engine/chat/unicode.h"

namespace tessera::jinja {
namespace {

constexpr std::size_t kNameMost = 1000;  // names are copied as calls pass them

bool is_digit(char byte) { return byte >= '0' && byte <= '9'; }
bool is_hex_digit(char byte) {
  return is_digit(byte) || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f');
}
bool is_name_start(char byte) {
  return byte == '_' || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}
bool is_name(char byte) { return is_name_start(byte) || is_digit(byte); }

// "\r\n" and "\r" become "\n", and one newline at the very end is dropped.
std::string normalized(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t at = 0; at < source.size(); ++at) {
    if (source[at] == '\r') {
      out += '\n';
      if (at + 1 < source.size() && source[at + 1] == '\n') ++at;
    } else {
      out += source[at];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalized(source)) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) text_and_tag();
    add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail_here(const std::string& message) {
    throw Failure(absl::StatusCode::kInvalidArgument, message, line_);
  }

  bool at(std::string_view word, std::size_t place) const {
    return std::string_view(source_).substr(std::min(place, source_.size()), word.size()) == word;
  }

  void add(TokenKind kind, std::string text) { tokens_.push_back({kind, line_, std::move(text)}); }

  // Moves to `place`, counting the lines passed.
  void move_to(std::size_t place) {
    line_ +=
        static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                    source_.begin() + static_cast<std::ptrdiff_t>(place), '\n'));
    line_starts_ = place > at_ ? source_[place - 1] == '\n' : line_starts_;
    at_ = place;
  }

  std::size_t after_space(std::size_t place) const {
    return place + leading_space(std::string_view(source_).substr(place));
  }

  // The place behind the end of a tag that begins at `place` with a - or + sign or without one.
  std::size_t after_end(std::size_t place, char sign, bool trims) const {
    if (sign == '-') return after_space(place);
    return trims && sign != '+' && at("\n", place) ? place + 1 : place;
  }

  // Text up to the next tag, with the white space before the tag taken off as the tag asks.
  void add_text(std::size_t end, char sign, bool strips_line) {
    std::string_view text = std::string_view(source_).substr(at_, end - at_);
    if (sign == '-') {
      text.remove_suffix(trailing_space(text));
    } else if (sign != '+' && strips_line) {
      const std::size_t newline = text.rfind('\n');
      const std::size_t line = newline == std::string_view::npos ? 0 : newline + 1;
      const bool whole_line = line > 0 || line_starts_;
      if (whole_line && leading_space(text.substr(line)) == text.size() - line) {
        text = text.substr(0, line);
      }
    }
    if (!text.empty()) add(TokenKind::kText, std::string(text));
  }

  void text_and_tag() {
    std::size_t tag = at_;
    do {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 == source_.size()) {
        add(TokenKind::kText, source_.substr(at_));
        return move_to(source_.size());
      }
      ++tag;
    } while (source_[tag] != '%' && source_[tag] != '{' && source_[tag] != '#');
    const char kind = source_[tag--];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    const bool signed_tag = sign == '-' || sign == '+';
    add_text(tag, sign, kind != '{');
    const std::size_t inside = tag + (signed_tag ? 3 : 2);
    if (kind == '#') return comment(inside);
    if (kind == '%' && raw(inside)) return;
    move_to(inside);
    add(kind == '%' ? TokenKind::kBlockBegin : TokenKind::kVariableBegin, "");
    code(kind == '%');
  }

  void comment(std::size_t inside) {
    move_to(inside);
    const std::size_t end = source_.find("#}", at_);
    if (end == std::string::npos) fail_here("Missing end of comment tag");
    const char sign = end > at_ ? source_[end - 1] : '\0';
    move_to(after_end(end + 2, sign, true));
  }

  // {% raw %} ... {% endraw %}: the text between them, verbatim.
  bool raw(std::size_t inside) {
    std::size_t place = after_space(inside);
    if (!at("raw", place)) return false;
    place = after_space(place + 3);
    const bool strips = at("-%}", place);
    if (!strips && !at("%}", place)) return false;
    move_to(strips ? after_space(place + 3) : place + 2);
    for (std::size_t tag = at_;; ++tag) {
      tag = source_.find("{%", tag);
      if (tag == std::string::npos) fail_here("Missing end of raw directive");
      const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
      place = after_space(tag + (sign == '-' || sign == '+' ? 3 : 2));
      if (!at("endraw", place)) continue;
      place = after_space(place + 6);
      const char end_sign = at("-", place) || at("+", place) ? source_[place] : '\0';
      if (end_sign != '\0') ++place;
      if (!at("%}", place)) continue;
      add_text(tag, sign, true);
      move_to(after_end(place + 2, end_sign, true));
      return true;
    }
  }

  // The inside of a {{ }} or {% %}; the end counts only outside brackets.
  void code(bool block) {
    const std::string_view end = block ? "%}" : "}}";
    std::string brackets;
    while (true) {
      if (brackets.empty()) {
        const char sign = at_ < source_.size() ? source_[at_] : '\0';
        const bool signed_end = (sign == '-' || (sign == '+' && block)) && at(end, at_ + 1);
        if (signed_end || at(end, at_)) {
          add(block ? TokenKind::kBlockEnd : TokenKind::kVariableEnd, "");
          const std::size_t behind = at_ + (signed_end ? 3 : 2);
          return move_to(after_end(behind, signed_end ? sign : '\0', block));
        }
      }
      if (at_ == source_.size()) return;
      word(brackets);
    }
  }

  void word(std::string& brackets) {
    const std::size_t space = after_space(at_);
    const char byte = source_[at_];
    if (space > at_) {
      move_to(space);
    } else if (is_digit(byte)) {
      number();
    } else if (is_name_start(byte)) {
      std::size_t end = at_;
      while (end < source_.size() && is_name(source_[end])) ++end;
      if (end - at_ > kNameMost) {
        throw Failure(absl::StatusCode::kUnimplemented,
                      "not supported: a name of more than " + std::to_string(kNameMost) + " bytes",
                      line_);
      }
      add(TokenKind::kName, source_.substr(at_, end - at_));
      move_to(end);
    } else if (byte == '"' || byte == '\'') {
      string();
    } else {
      symbol(brackets);
    }
  }

  void string() {
    const char quote = source_[at_];
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail_here(std::string("unexpected char ") + quote);
    add(TokenKind::kString,
        unescape(std::string_view(source_).substr(at_ + 1, end - at_ - 1), line_));
    move_to(end + 1);
  }

  // Digits that may be parted by single underscores; empty when there are none.
  std::size_t digits_end(std::size_t place, bool (*accepts)(char)) const {
    std::size_t end = place;
    while (end < source_.size() &&
           (accepts(source_[end]) || (source_[end] == '_' && end > place &&
                                      end + 1 < source_.size() && accepts(source_[end + 1])))) {
      ++end;
    }
    return end;
  }

  void add_number(std::size_t end, Value value) {
    tokens_.push_back(
        {TokenKind::kNumber, line_, source_.substr(at_, end - at_), std::move(value)});
    move_to(end);
  }

  void number() {
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
    const std::size_t whole = digits_end(at_, is_digit);
    std::size_t end = whole;
    if (at(".", end) && digits_end(end + 1, is_digit) > end + 1)
      end = digits_end(end + 1, is_digit);
    if (at("e", end) || at("E", end)) {
      const std::size_t sign = end + 1 + (at("+", end + 1) || at("-", end + 1) ? 1 : 0);
      if (digits_end(sign, is_digit) > sign) end = digits_end(sign, is_digit);
    }
    if (end > whole && !after_dot) {
      std::string text = source_.substr(at_, end - at_);
      text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
      return add_number(end, std::strtod(text.c_str(), nullptr));
    }
    integer(whole);
  }

  void integer(std::size_t decimal_end) {
    int base = 10;
    std::size_t start = at_, end = decimal_end;
    if (source_[at_] == '0') {
      // Behind a leading zero only zeros belong to the number.
      end = digits_end(at_, [](char byte) { return byte == '0'; });
      const char mark =
          at_ + 1 < source_.size() ? static_cast<char>(source_[at_ + 1] | 0x20) : '\0';
      bool (*accepts)(char) = nullptr;
      if (mark == 'x') accepts = is_hex_digit;
      if (mark == 'o') accepts = [](char byte) { return byte >= '0' && byte <= '7'; };
      if (mark == 'b') accepts = [](char byte) { return byte == '0' || byte == '1'; };
      if (accepts != nullptr && digits_end(at_ + 2, accepts) > at_ + 2) {
        base = mark == 'x' ? 16 : mark == 'o' ? 8 : 2;
        start = at_ + 2;
        end = digits_end(start, accepts);
      }
    }
    Integer value = 0;
    for (std::size_t place = start; place < end; ++place) {
      if (source_[place] == '_') continue;
      const char byte = source_[place];
      const int digit = is_digit(byte) ? byte - '0' : (byte | 0x20) - 'a' + 10;
      if (__builtin_mul_overflow(value, Integer{base}, &value) ||
          __builtin_add_overflow(value, Integer{digit}, &value)) {
        throw Failure(absl::StatusCode::kUnimplemented, "not supported: an integer beyond 128 bits",
                      line_);
      }
    }
    add_number(end, value);
  }

  void symbol(std::string& brackets) {
    static constexpr std::string_view kDouble[] = {"//", "**", "==", "!=", ">=", "<="};
    std::size_t size = 1;
    for (std::string_view two : kDouble) size = at(two, at_) ? 2 : size;
    const char byte = source_[at_];
    if (size == 1 &&
        std::string_view("+-/*%~[](){}><=.:|,;").find(byte) == std::string_view::npos) {
      if (static_cast<unsigned char>(byte) >= 0x80) {
        throw Failure(absl::StatusCode::kUnimplemented,
                      "not supported: a name with letters beyond ASCII", line_);
      }
      fail_here(std::string("unexpected char '") + byte + "'");
    }
    if (size == 1 && (byte == '(' || byte == '[' || byte == '{')) {
      brackets += byte == '(' ? ')' : byte == '[' ? ']' : '}';
    } else if (size == 1 && (byte == ')' || byte == ']' || byte == '}')) {
      if (brackets.empty()) fail_here(std::string("unexpected '") + byte + "'");
      if (brackets.back() != byte) {
        fail_here(std::string("unexpected '") + byte + "', expected '" + brackets.back() + "'");
      }
      brackets.pop_back();
    }
    add(TokenKind::kSymbol, source_.substr(at_, size));
    move_to(at_ + size);
  }

  const std::string source_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_starts_ = true;  // what was passed last ended with a newline
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace tessera::jinja
