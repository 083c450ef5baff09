#include "server/config/scalars.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace tessera {
namespace {

using Unit = std::pair<absl::string_view, double>;
constexpr std::array<Unit, 9> kByteUnits{{{"KiB", 1024.0},
                                          {"MiB", 1048576.0},
                                          {"GiB", 1073741824.0},
                                          {"TiB", 1099511627776.0},
                                          {"KB", 1e3},
                                          {"MB", 1e6},
                                          {"GB", 1e9},
                                          {"TB", 1e12},
                                          {"B", 1.0}}};
constexpr std::array<Unit, 4> kTimeUnits{{{"ms", 1e-3}, {"min", 60.0}, {"s", 1.0}, {"h", 3600.0}}};
constexpr double kBytesMax = 9007199254740992.0;  // 2^53: every smaller count is exact as a double

absl::string_view without_sign(absl::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  return text;
}

size_t digits_at(absl::string_view text, size_t from) {
  size_t end = from;
  while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
  return end - from;
}

bool is_integer(absl::string_view text) {
  text = without_sign(text);
  return !text.empty() && digits_at(text, 0) == text.size();
}

bool is_number(absl::string_view text) {
  text = without_sign(text);
  const size_t whole = digits_at(text, 0);
  size_t at = whole, fraction = 0;
  if (at < text.size() && text[at] == '.') {
    fraction = digits_at(text, at + 1);
    at += 1 + fraction;
  }
  if (whole + fraction == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    const absl::string_view exponent = without_sign(text.substr(at + 1));
    return !exponent.empty() && digits_at(exponent, 0) == exponent.size();
  }
  return at == text.size();
}

// "010" is eight to some readers and ten to others, so it is neither here.
bool has_leading_zero(absl::string_view text) {
  text = without_sign(text);
  return digits_at(text, 0) > 1 && text[0] == '0';
}

absl::Status expected(absl::string_view what, absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("expected ", what, ", found '", text.substr(0, 60), "'"));
}

absl::Status leading_zero(absl::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", text.substr(0, 60), "' has a leading zero; write the number without it"));
}

template <size_t N>
absl::StatusOr<double> parse_with_unit(absl::string_view text, const std::array<Unit, N>& units,
                                       absl::string_view what) {
  for (const auto& [suffix, factor] : units) {
    absl::string_view digits = text;
    if (!absl::ConsumeSuffix(&digits, suffix)) continue;
    while (!digits.empty() && digits.back() == ' ') digits.remove_suffix(1);
    absl::StatusOr<double> number = parse_number(digits);
    if (!number.ok()) return is_number(digits) ? number.status() : expected(what, text);
    return *number * factor;
  }
  if (!is_number(text)) return expected(what, text);
  return parse_number(text);
}

}  // namespace

absl::StatusOr<bool> parse_flag(absl::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return expected("true or false", text);
}

absl::StatusOr<int64_t> parse_integer(absl::string_view text) {
  if (!is_integer(text)) return expected("a whole number", text);
  if (has_leading_zero(text)) return leading_zero(text);
  int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value)) return expected("a number of at most 64 bits", text);
  return value;
}

absl::StatusOr<double> parse_number(absl::string_view text) {
  if (!is_number(text)) return expected("a number", text);
  if (has_leading_zero(text)) return leading_zero(text);
  double value = 0;
  if (!absl::SimpleAtod(text, &value) || !std::isfinite(value))
    return expected("a finite number", text);
  return value;
}

absl::StatusOr<uint64_t> parse_bytes(absl::string_view text) {
  constexpr absl::string_view kWhat = "a size such as 4096, 512MiB or 2GB";
  absl::StatusOr<double> bytes = parse_with_unit(text, kByteUnits, kWhat);
  if (!bytes.ok()) return bytes.status();
  if (*bytes < 0) return expected("a size of 0 or more", text);
  if (*bytes > kBytesMax) return expected("a size of at most 8192TiB", text);
  if (*bytes != std::floor(*bytes)) return expected("a whole number of bytes", text);
  return static_cast<uint64_t>(*bytes);
}

absl::StatusOr<double> parse_seconds(absl::string_view text) {
  return parse_with_unit(text, kTimeUnits, "a time such as 30, 30s, 250ms, 5min or 1h");
}

absl::StatusOr<PolicyValue> parse_untyped(absl::string_view text) {
  if (text == "true") return PolicyValue(true);
  if (text == "false") return PolicyValue(false);
  if (is_integer(text)) {
    absl::StatusOr<int64_t> value = parse_integer(text);
    if (!value.ok()) return value.status();
    return PolicyValue(*value);
  }
  if (is_number(text)) {
    absl::StatusOr<double> value = parse_number(text);
    if (!value.ok()) return value.status();
    return PolicyValue(*value);
  }
  return PolicyValue(std::string(text));
}

std::string bytes_text(uint64_t bytes) {
  constexpr std::array<absl::string_view, 4> kNames{"KiB", "MiB", "GiB", "TiB"};
  absl::string_view unit;
  for (const absl::string_view name : kNames) {
    if (bytes == 0 || bytes % 1024 != 0) break;
    bytes /= 1024;
    unit = name;
  }
  return absl::StrCat(bytes, unit);
}

std::string number_text(double value) {
  std::array<char, 32> buffer;
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return error == std::errc() ? std::string(buffer.data(), end) : absl::StrCat(value);
}

std::string yaml_text(absl::string_view text) {
  // Letters first and nothing with a meaning in YAML; the words that YAML reads as values are not.
  const bool plain = !text.empty() &&
                     text.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                         "0123456789_./+:-") == absl::string_view::npos &&
                     text.back() != ':' && text.front() != '-' && text.front() != ':' &&
                     text != "true" && text != "false" && text != "null" && text != "Null" &&
                     text != "NULL" && !is_number(text);
  if (plain) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      absl::StrAppendFormat(&quoted, "\\x%02x", static_cast<unsigned char>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string yaml_value(const PolicyValue& value) {
  if (const bool* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const int64_t* integer = std::get_if<int64_t>(&value)) return absl::StrCat(*integer);
  if (const std::string* text = std::get_if<std::string>(&value)) return yaml_text(*text);
  const std::string number = number_text(std::get<double>(value));
  // 2 would read back as an integer.
  return is_integer(number) ? number + ".0" : number;
}

}  // namespace tessera
