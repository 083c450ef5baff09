#include "engine/chat/format.h"

#include "engine/chat/lookup.h"
#include "engine/chat/number_format.h"
#include "engine/chat/print.h"
#include "engine/chat/unicode.h"

namespace tessera::jinja {
namespace {

// Reads "%..." conversions from left to right and takes values as they come.
class PercentFormatter {
 public:
  PercentFormatter(Meter& meter, const Value& values) : meter_(meter), values_(values) {
    const Sequence* sequence = values.sequence();
    if (sequence != nullptr && sequence->form != Sequence::Form::kList) tuple_ = sequence;
    // What Python takes for a mapping here: everything with items but tuples and strings.
    mapping_ =
        tuple_ == nullptr && (values.dict() != nullptr || sequence != nullptr ||
                              values.undefined() != nullptr || values.is<Ref<const Range>>());
  }

  std::string run(std::string_view format) {
    std::size_t at = 0;
    while (at < format.size()) {
      const std::size_t percent = std::min(format.find('%', at), format.size());
      out_ += format.substr(at, percent - at);
      at = percent;
      if (at < format.size()) conversion(format, ++at);
      meter_.step();
      meter_.expect_room(2 * out_.size());
    }
    const std::size_t given = tuple_ != nullptr ? tuple_->items.size() : 1;
    if (!mapping_ && used_ < given) fail("not all arguments converted during string formatting");
    return std::move(out_);
  }

 private:
  Value take() {
    if (tuple_ == nullptr) {
      if (used_++ > 0) fail("not enough arguments for format string");
      return values_;
    }
    if (used_ == tuple_->items.size()) fail("not enough arguments for format string");
    return tuple_->items[used_++];
  }

  Value named(std::string_view format, std::size_t& at) {
    const std::size_t end = format.find(')', at);
    if (end == std::string_view::npos) fail("incomplete format key");
    const std::string_view key = format.substr(at + 1, end - at - 1);
    at = end + 1;
    const Dict* dict = values_.dict();
    if (dict == nullptr) fail("format requires a mapping");
    const Value* value = dict->find(meter_, key);
    if (value == nullptr) fail("format key '" + std::string(key) + "' is missing");
    return *value;
  }

  void conversion(std::string_view format, std::size_t& at) {
    Value value;
    if (at < format.size() && format[at] == '(') value = named(format, at);
    FormatSpec spec;
    bool left = false;
    for (; at < format.size(); ++at) {
      if (format[at] == '-') {
        left = true;
      } else if (format[at] == '+' || (format[at] == ' ' && spec.sign != '+')) {
        spec.sign = format[at];
      } else if (format[at] == '0') {
        spec.zero = true;
      } else if (format[at] == '#') {
        spec.alternate = true;
      } else if (format[at] != ' ') {
        break;
      }
    }
    if (at < format.size() && format[at] == '*') fail_unsupported("'*' in a format");
    spec.width = parse_size(format, at);
    if (at < format.size() && format[at] == '.') spec.precision = parse_size(format, ++at);
    while (at < format.size() &&
           std::string_view("hlL").find(format[at]) != std::string_view::npos) {
      ++at;
    }
    if (at == format.size()) fail("incomplete format");
    spec.type = format[at++];
    if (left) {
      spec.align = '<';
      spec.zero = false;
    }
    if (spec.type == '%') {
      out_ += '%';
      return;
    }
    if (value.is_missing()) value = take();
    out_ += convert(value, spec);
  }

  std::string convert(const Value& value, FormatSpec spec) {
    switch (spec.type) {
      case 's':
      case 'r':
      case 'a':
        return convert_text(value, spec);
      case 'c':
        if (const Text* text = value.text()) {
          if (text->length != 1) fail("%c requires int or char");
          return convert_text(value, spec);
        }
        return layout_integer(meter_, integer(value, "%c requires int or char"), spec);
      case 'd':
      case 'i':
      case 'u':
        spec.type = 'd';
        return convert_integer(value, spec, true);
      case 'x':
      case 'X':
      case 'o':
        return convert_integer(value, spec, false);
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G': {
        double number;
        if (!as_number(value, number)) {
          fail(std::string("must be real number, not ") + type_name(value));
        }
        return layout_float(meter_, number, spec);
      }
      default:
        fail(std::string("unsupported format character '") + spec.type + "'");
    }
  }

  std::string convert_text(const Value& value, FormatSpec spec) {
    if (spec.type == 'a') fail_unsupported("format character 'a'");
    const std::string text = spec.type == 'r' ? to_repr(meter_, value) : to_str(meter_, value);
    if (spec.align == 0) spec.align = '>';
    spec.zero = spec.alternate = false;
    spec.sign = '-';
    return layout_text(meter_, text, spec);
  }

  std::string convert_integer(const Value& value, FormatSpec spec, bool truncate) {
    Integer number;
    if (const double* real = value.get<double>(); real != nullptr && truncate) {
      if (!(*real > -1e30 && *real < 1e30)) fail("cannot convert this float to an integer");
      number = static_cast<Integer>(*real);
    } else {
      number = integer(value, "a number is required for this format");
    }
    if (spec.precision >= 0) {
      const int width = std::max(spec.precision, spec.width);
      if (spec.width > spec.precision)
        fail_unsupported("an integer format with width and precision");
      spec.width = width + (number < 0 || spec.sign != '-' ? 1 : 0);
      spec.precision = -1;
      spec.zero = true;
      spec.align = 0;
    }
    return layout_integer(meter_, number, spec);
  }

  Integer integer(const Value& value, const char* message) {
    Integer number;
    if (!as_integer(value, number)) fail(std::string(message) + ", not " + type_name(value));
    return number;
  }

  Meter& meter_;
  const Value& values_;
  const Sequence* tuple_ = nullptr;
  bool mapping_ = false;
  std::size_t used_ = 0;
  std::string out_;
};

class BraceFormatter {
 public:
  BraceFormatter(Meter& meter, const Arguments& arguments) : meter_(meter), arguments_(arguments) {}

  // `nested` allows one more level of fields inside a specification.
  std::string format(std::string_view text, bool nested) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      meter_.step();
      meter_.expect_room(2 * out.size());
      const std::size_t brace = std::min(text.find_first_of("{}", at), text.size());
      out += text.substr(at, brace - at);
      at = brace;
      if (at == text.size()) break;
      const bool doubled = at + 1 < text.size() && text[at + 1] == text[at];
      if (doubled) {
        out += text[at];
        at += 2;
      } else if (text[at] == '}') {
        fail("Single '}' encountered in format string");
      } else {
        const std::size_t end = field_end(text, at);
        out += field(text.substr(at + 1, end - at - 1), nested);
        at = end + 1;
      }
    }
    return out;
  }

 private:
  static std::size_t field_end(std::string_view text, std::size_t open) {
    int depth = 0;
    for (std::size_t at = open; at < text.size(); ++at) {
      if (text[at] == '{') ++depth;
      if (text[at] == '}' && --depth == 0) return at;
    }
    fail("expected '}' before end of string");
  }

  std::string field(std::string_view body, bool nested) {
    const std::size_t name_end = std::min(body.find_first_of("!:"), body.size());
    Value value = look_up(body.substr(0, name_end));
    std::size_t at = name_end;
    if (at < body.size() && body[at] == '!') {
      if (at + 1 == body.size()) fail("end of string while looking for conversion specifier");
      const char conversion = body[at + 1];
      if (conversion != 's' && conversion != 'r') {
        fail_unsupported(std::string("format conversion '!") + conversion + "'");
      }
      value = make_text(meter_, conversion == 's' ? to_str(meter_, value) : to_repr(meter_, value));
      at += 2;
      if (at < body.size() && body[at] != ':') fail("expected ':' after conversion specifier");
    }
    std::string specification;
    if (at < body.size()) {
      if (!nested && body.find('{', at) != std::string_view::npos) {
        fail("Max string recursion exceeded");
      }
      specification = format(body.substr(at + 1), false);
    }
    return format_value(meter_, value, specification);
  }

  Value look_up(std::string_view path) {
    const std::size_t first_end = std::min(path.find_first_of(".["), path.size());
    Value value = first(path.substr(0, first_end));
    for (std::size_t at = first_end; at < path.size();) {
      meter_.step();
      if (path[at] == '.') {
        const std::size_t end = std::min(path.find_first_of(".[", at + 1), path.size());
        value = attribute_of(meter_, value, path.substr(at + 1, end - at - 1));
        at = end;
        continue;
      }
      const std::size_t end = path.find(']', at);
      if (path[at] != '[' || end == std::string_view::npos) fail("Missing ']' in format string");
      value = item_of(meter_, value, key(path.substr(at + 1, end - at - 1)));
      at = end + 1;
    }
    return value;
  }

  Value key(std::string_view text) {
    if (!text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos) {
      std::size_t at = 0;
      return make_int(parse_size(text, at));
    }
    return make_text(meter_, std::string(text));
  }

  Value first(std::string_view name) {
    const bool number = name.find_first_not_of("0123456789") == std::string_view::npos;
    if (!number) {
      meter_.step_over_items(arguments_.named.size());
      for (const auto& [known, value] : arguments_.named) {
        if (known == name) return value;
      }
      fail("format field '" + std::string(name) + "' is missing");
    }
    if (name.empty() == (numbering_ == 'm')) {
      if (numbering_ != 0) fail("cannot mix automatic and manual field numbering");
    }
    numbering_ = name.empty() ? 'a' : 'm';
    std::size_t at = 0;
    const auto index = name.empty() ? next_++ : static_cast<std::size_t>(parse_size(name, at));
    if (index >= arguments_.positional.size()) {
      fail("Replacement index " + std::to_string(index) + " out of range for positional args");
    }
    return arguments_.positional[index];
  }

  Meter& meter_;
  const Arguments& arguments_;
  std::size_t next_ = 0;
  char numbering_ = 0;  // 'a'utomatic or 'm'anual, once a field was numbered
};

}  // namespace

Value format_percent(Meter& meter, const Text& format, const Value& values) {
  meter.step_over_bytes(format.bytes.size());
  if (format.markup) fail_unsupported("formatting a string marked safe");
  return make_text(meter, PercentFormatter(meter, values).run(format.bytes));
}

Value format_braces(Meter& meter, const Text& format, const Arguments& arguments) {
  meter.step_over_bytes(format.bytes.size());
  return make_text(meter, BraceFormatter(meter, arguments).format(format.bytes, true));
}

std::string format_value(Meter& meter, const Value& value, std::string_view specification) {
  if (specification.empty()) return to_str(meter, value);
  const FormatSpec spec = parse_format_spec(specification);
  if (const Text* text = value.text()) {
    if (spec.type != 0 && spec.type != 's') {
      fail(std::string("Unknown format code '") + spec.type + "' for object of type 'str'");
    }
    return layout_text(meter, text->bytes, spec);
  }
  const bool integral =
      spec.type == 0 || std::string_view("bcdnoxX").find(spec.type) != std::string_view::npos;
  Integer integer;
  if (as_integer(value, integer) && integral) return layout_integer(meter, integer, spec);
  double number;
  if (as_number(value, number)) return layout_float(meter, number, spec);
  fail(std::string("unsupported format string passed to ") + type_name(value) + ".__format__");
}

}  // namespace tessera::jinja
