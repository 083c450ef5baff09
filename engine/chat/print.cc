#include "engine/chat/print.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "engine/chat/ast.h"
#include "engine/chat/loop.h"
#include "engine/chat/unicode.h"

namespace tessera::jinja {
namespace {

// Namespaces can hold themselves, so nesting is bounded here too.
constexpr int kPrintDepth = 2 * kMaxNesting;

class Printer {
 public:
  explicit Printer(Meter& meter) : meter_(meter) {}

  void add(std::string_view text) {
    meter_.step(1 + static_cast<std::int64_t>(text.size() / 64));
    meter_.expect_room(2 * (out_.size() + text.size()));
    out_ += text;
  }

  void repr(const Value& value) {
    if (++depth_ > kPrintDepth) fail_limit("a value nested too deeply to print");
    std::visit([this](const auto& known) { print(known); }, value.store());
    --depth_;
  }

  std::string take() { return std::move(out_); }

 private:
  void print(const Missing&) { add("missing"); }
  void print(const None&) { add("None"); }
  void print(const bool& value) { add(value ? "True" : "False"); }
  void print(const Integer& value) { add(integer_text(value)); }
  void print(const double& value) { add(float_text(value)); }
  void print(const Ref<const Undefined>&) { add("Undefined"); }
  void print(const Ref<const Text>& text) {
    std::string quoted;
    append_text_repr(quoted, text->bytes);
    if (text->markup) quoted = "Markup(" + quoted + ")";
    add(quoted);
  }
  void print(const Ref<const Sequence>& sequence) {
    const bool list = sequence->form == Sequence::Form::kList;
    add(list ? "[" : "(");
    for (std::size_t index = 0; index < sequence->items.size(); ++index) {
      if (index > 0) add(", ");
      repr(sequence->items[index]);
    }
    add(list ? "]" : sequence->items.size() == 1 ? ",)" : ")");
  }
  void print(const Ref<const Dict>& dict) {
    add("{");
    bool first = true;
    for (const auto& [key, value] : dict->entries()) {
      if (!first) add(", ");
      first = false;
      repr(key);
      add(": ");
      repr(value);
    }
    add("}");
  }
  void print(const Ref<const DictView>& view) {
    add(type_name(Value(view)));
    add("([");
    bool first = true;
    for (const auto& [key, value] : view->dict->entries()) {
      if (!first) add(", ");
      first = false;
      if (view->part == DictView::Part::kItems) add("(");
      if (view->part != DictView::Part::kValues) repr(key);
      if (view->part == DictView::Part::kItems) add(", ");
      if (view->part != DictView::Part::kKeys) repr(value);
      if (view->part == DictView::Part::kItems) add(")");
    }
    add("])");
  }
  void print(const Ref<const Range>& range) {
    std::string text = "range(" + std::to_string(range->start) + ", " + std::to_string(range->stop);
    if (range->step != 1) text += ", " + std::to_string(range->step);
    add(text + ")");
  }
  void print(const Ref<Iterator>& iterator) { add(std::string("<") + iterator->type() + ">"); }
  void print(const Ref<Namespace>& space) {
    add("<Namespace {");
    bool first = true;
    for (const auto& [name, value] : space->attributes) {
      if (!first) add(", ");
      first = false;
      std::string quoted;
      append_text_repr(quoted, name);
      add(quoted + ": ");
      repr(value);
    }
    add("}>");
  }
  void print(const Ref<Loop>& loop) {
    add("<LoopContext " + std::to_string(loop->index0 + 1) + "/" +
        std::to_string(loop->length(meter_)) + ">");
  }
  void print(const Ref<const Macro>& macro) {
    std::string quoted = "anonymous";
    const std::string& name = macro->definition->name;
    if (!name.empty()) {
      quoted.clear();
      append_text_repr(quoted, name);
    }
    add("<Macro " + quoted + ">");
  }
  void print(const Ref<const Callable>& callable) {
    add("<function " + std::string(callable->name) + ">");
  }

  Meter& meter_;
  std::string out_;
  int depth_ = 0;
};

void append_hex(std::string& out, const char* format, char32_t point) {
  char escape[12];
  std::snprintf(escape, sizeof escape, format, static_cast<unsigned>(point));
  out += escape;
}

}  // namespace

std::string to_str(Meter& meter, const Value& value) {
  if (const Text* text = value.text()) {
    meter.step_over_bytes(text->bytes.size());
    return text->bytes;
  }
  if (value.undefined() != nullptr) return "";
  return to_repr(meter, value);
}

std::string to_repr(Meter& meter, const Value& value) {
  Printer printer(meter);
  printer.repr(value);
  return printer.take();
}

std::string integer_text(Integer value) {
  if (value == 0) return "0";
  const bool negative = value < 0;
  std::string digits;
  while (value != 0) {
    const int digit = static_cast<int>(value % 10);
    digits += static_cast<char>('0' + (digit < 0 ? -digit : digit));
    value /= 10;
  }
  if (negative) digits += '-';
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[48];
  // Python goes over to an exponent from 1e16 up and below 1e-4.
  const double size = std::fabs(value);
  const bool plain = size == 0 || (size >= 1e-4 && size < 1e16);
  const auto [end, error] =
      std::to_chars(buffer, buffer + sizeof buffer, value,
                    plain ? std::chars_format::fixed : std::chars_format::scientific);
  std::string text(buffer, error == std::errc() ? end : buffer);
  if (plain && text.find('.') == std::string::npos) text += ".0";
  return text;
}

void append_text_repr(std::string& out, std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  out += quote;
  for (std::size_t byte = 0; byte < text.size();) {
    const char32_t point = next_point(text, byte);
    if (point == static_cast<char32_t>(quote) || point == '\\') {
      out += '\\';
      out += static_cast<char>(point);
    } else if (point == '\n') {
      out += "\\n";
    } else if (point == '\r') {
      out += "\\r";
    } else if (point == '\t') {
      out += "\\t";
    } else if (point == ' ' || (char_flags(point) & kPrintable)) {
      append_point(out, point);
    } else {
      append_hex(out, point < 0x100 ? "\\x%02x" : point < 0x10000 ? "\\u%04x" : "\\U%08x", point);
    }
  }
  out += quote;
}

}  // namespace tessera::jinja
