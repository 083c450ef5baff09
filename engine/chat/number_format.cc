#include "engine/chat/number_format.h"

#include <cmath>
#include <cstdio>

#include "engine/chat/print.h"
#include "engine/chat/unicode.h"

namespace tessera::jinja {
namespace {

constexpr int kSizeMost = 1'000'000;
constexpr int kPrecisionMost = 1'000;  // digits of a float

bool is_align(char32_t point) {
  return point == '<' || point == '>' || point == '^' || point == '=';
}

void append_fill(std::string& out, char32_t fill, std::size_t count) {
  for (std::size_t done = 0; done < count; ++done) append_point(out, fill);
}

// Puts a separator between every `every` digits, counted from the end.
std::string grouped(const std::string& digits, char separator, std::size_t every) {
  std::string out;
  for (std::size_t index = 0; index < digits.size(); ++index) {
    if (index > 0 && (digits.size() - index) % every == 0) out += separator;
    out += digits[index];
  }
  return out;
}

// Pads `sign` + `body` to the width; '=' puts the padding between them.
std::string layout(Meter& meter, const std::string& sign, const std::string& body, char align,
                   const FormatSpec& spec) {
  meter.expect_room(static_cast<std::size_t>(spec.width) * 4);
  const std::size_t length = count_points(sign) + count_points(body);
  const auto width = static_cast<std::size_t>(spec.width);
  const std::size_t pad = width > length ? width - length : 0;
  const std::size_t left = align == '<' ? 0 : align == '^' ? pad / 2 : pad;
  std::string out;
  if (align == '=') out += sign;
  append_fill(out, spec.fill, left);
  if (align != '=') out += sign;
  out += body;
  append_fill(out, spec.fill, pad - left);
  return out;
}

std::string layout_number(Meter& meter, bool negative, std::string body, FormatSpec spec) {
  const std::string sign = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  if (spec.zero && spec.align == 0) {
    spec.align = '=';
    spec.fill = '0';
  }
  return layout(meter, sign, body, spec.align == 0 ? '>' : spec.align, spec);
}

std::string print_float(const char* format, int precision, double value) {
  const int size = std::snprintf(nullptr, 0, format, precision, value);
  std::string out(static_cast<std::size_t>(size) + 1, '\0');
  std::snprintf(out.data(), out.size(), format, precision, value);
  out.pop_back();
  return out;
}

}  // namespace

int parse_size(std::string_view text, std::size_t& at) {
  int size = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
    size = size * 10 + (text[at++] - '0');
    if (size > kSizeMost) fail_limit("a format wider than " + std::to_string(kSizeMost));
  }
  return size;
}

FormatSpec parse_format_spec(std::string_view text) {
  FormatSpec spec;
  std::size_t at = 0;
  if (!text.empty()) {
    std::size_t after = 0;
    const char32_t first = next_point(text, after);
    if (after < text.size() && is_align(static_cast<unsigned char>(text[after]))) {
      spec.fill = first;
      spec.align = text[after];
      at = after + 1;
    } else if (is_align(first)) {
      spec.align = text[0];
      at = 1;
    }
  }
  const auto next = [&](std::string_view wanted) {
    if (at == text.size() || wanted.find(text[at]) == std::string_view::npos) return char{0};
    return text[at++];
  };
  if (const char sign = next("+- ")) spec.sign = sign;
  spec.alternate = next("#") != 0;
  spec.zero = next("0") != 0;
  spec.width = parse_size(text, at);
  spec.group = next(",_");
  if (next(".") != 0) {
    const std::size_t digits = at;
    spec.precision = parse_size(text, at);
    if (at == digits) fail("Format specifier missing precision");
  }
  spec.type = next("bcdeEfFgGnosxX%");
  if (at != text.size()) fail("Invalid format specifier '" + std::string(text) + "'");
  return spec;
}

std::string layout_text(Meter& meter, std::string_view text, const FormatSpec& spec) {
  if (spec.align == '=' || spec.sign != '-' || spec.alternate || spec.group != 0) {
    fail("a string cannot be formatted with '=', a sign, '#' or a separator");
  }
  if (spec.precision >= 0) {
    text = text.substr(0, byte_of_point(text, static_cast<std::size_t>(spec.precision)));
  }
  FormatSpec plain = spec;
  if (spec.zero) plain.fill = '0';
  return layout(meter, "", std::string(text), spec.align == 0 ? '<' : spec.align, plain);
}

std::string layout_integer(Meter& meter, Integer value, const FormatSpec& spec) {
  if (spec.precision >= 0) fail("Precision not allowed in integer format specifier");
  if (spec.type == 'c') {
    if (value < 0 || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
      fail("%c arg not in range(0x110000)");
    }
    std::string point;
    append_point(point, static_cast<char32_t>(value));
    return layout(meter, "", point, spec.align == 0 ? '<' : spec.align, spec);
  }
  const bool decimal = spec.type == 0 || spec.type == 'd' || spec.type == 'n';
  const unsigned base = decimal ? 10 : spec.type == 'b' ? 2 : spec.type == 'o' ? 8 : 16;
  const char* digits = spec.type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
  const bool negative = value < 0;
  auto rest =
      negative ? -static_cast<unsigned __int128>(value) : static_cast<unsigned __int128>(value);
  std::string body;
  do {
    body.insert(body.begin(), digits[static_cast<unsigned>(rest % base)]);
    rest /= base;
  } while (rest != 0);
  if (spec.group != 0) {
    if (spec.zero || spec.align == '=') fail_unsupported("zero padding together with separators");
    body = grouped(body, spec.group, decimal ? 3 : 4);
  }
  if (spec.alternate && !decimal) body = std::string("0") + spec.type + body;
  if (spec.alternate && !decimal && (spec.zero || spec.align == '=')) {
    fail_unsupported("zero padding together with '#'");
  }
  return layout_number(meter, negative, body, spec);
}

std::string layout_float(Meter& meter, double value, const FormatSpec& spec) {
  if (spec.precision > kPrecisionMost) {
    fail_limit("a float formatted with more than " + std::to_string(kPrecisionMost) + " digits");
  }
  const bool negative = std::signbit(value) && !std::isnan(value);
  const double size = std::fabs(value);
  const int precision = spec.precision < 0 ? 6 : spec.precision;
  std::string body;
  switch (spec.type) {
    case 0:
    case 'n':
      if (spec.precision >= 0) fail_unsupported("a float format with a precision and no type");
      body = float_text(size);
      break;
    case 'e':
      body = print_float(spec.alternate ? "%#.*e" : "%.*e", precision, size);
      break;
    case 'E':
      body = print_float(spec.alternate ? "%#.*E" : "%.*E", precision, size);
      break;
    case 'f':
      body = print_float(spec.alternate ? "%#.*f" : "%.*f", precision, size);
      break;
    case 'F':
      body = print_float(spec.alternate ? "%#.*F" : "%.*F", precision, size);
      break;
    case 'g':
      body = print_float(spec.alternate ? "%#.*g" : "%.*g", precision, size);
      break;
    case 'G':
      body = print_float(spec.alternate ? "%#.*G" : "%.*G", precision, size);
      break;
    case '%':
      body = print_float("%.*f", precision, size * 100) + "%";
      break;
    default:
      fail(std::string("Unknown format code '") + spec.type + "' for object of type 'float'");
  }
  if (spec.group != 0) {
    if (spec.zero) fail_unsupported("zero padding together with separators");
    const std::size_t end = body.find_first_not_of("0123456789");
    const std::size_t whole = end == std::string::npos ? body.size() : end;
    body = grouped(body.substr(0, whole), spec.group, 3) + body.substr(whole);
  }
  return layout_number(meter, negative, body, spec);
}

}  // namespace tessera::jinja
