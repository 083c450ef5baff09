#include <algorithm>
#include <cstdio>

#include "engine/chat/compare.h"
#include "engine/chat/print.h"
#include "engine/chat/sort.h"
#include "engine/chat/unicode.h"

namespace tessera::jinja {
namespace {

class JsonWriter {
 public:
  JsonWriter(Meter& meter, const JsonStyle& style) : meter_(meter), style_(style) {}

  void write(const Value& value) {
    if (value.is_none()) return add("null");
    if (const bool* flag = value.get<bool>()) return add(*flag ? "true" : "false");
    if (const Integer* integer = value.get<Integer>()) return add(integer_text(*integer));
    if (const double* real = value.get<double>()) return add(number(*real));
    if (const Text* text = value.text()) return quote(text->bytes);
    if (const Sequence* sequence = value.sequence()) return write_array(*sequence);
    if (const Dict* dict = value.dict()) return write_object(*dict);
    fail(std::string("Object of type ") + type_name(value) + " is not JSON serializable");
  }

  std::string take() { return std::move(out_); }

 private:
  void add(std::string_view text) {
    meter_.step(1 + static_cast<std::int64_t>(text.size() / 64));
    meter_.expect_room(2 * (out_.size() + text.size()));
    out_ += text;
  }

  // Python writes what JSON cannot say as JavaScript would.
  static std::string number(double value) {
    if (value != value) return "NaN";
    if (value - value != 0) return value < 0 ? "-Infinity" : "Infinity";
    return float_text(value);
  }

  void escape_ascii(std::string& quoted, char32_t point) {
    char escape[16];
    if (point < 0x10000) {
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(point));
    } else {
      const unsigned rest = static_cast<unsigned>(point) - 0x10000;
      std::snprintf(escape, sizeof escape, "\\u%04x\\u%04x", 0xD800 + (rest >> 10),
                    0xDC00 + (rest & 0x3FF));
    }
    quoted += escape;
  }

  void quote(std::string_view text) {
    std::string quoted = "\"";
    for (std::size_t byte = 0; byte < text.size();) {
      const char32_t point = next_point(text, byte);
      switch (point) {
        case '"':
          quoted += "\\\"";
          break;
        case '\\':
          quoted += "\\\\";
          break;
        case '\n':
          quoted += "\\n";
          break;
        case '\r':
          quoted += "\\r";
          break;
        case '\t':
          quoted += "\\t";
          break;
        case '\b':
          quoted += "\\b";
          break;
        case '\f':
          quoted += "\\f";
          break;
        default:
          if (point < 0x20 || (style_.ensure_ascii && point > 0x7E)) {
            escape_ascii(quoted, point);
          } else {
            append_point(quoted, point);
          }
      }
    }
    add(quoted + '"');
  }

  void new_line() {
    if (!style_.indented) return;
    std::string line = "\n";
    meter_.expect_room(style_.indent.size() * static_cast<std::size_t>(level_));
    for (int level = 0; level < level_; ++level) line += style_.indent;
    add(line);
  }

  void write_array(const Sequence& sequence) {
    if (sequence.items.empty()) return add("[]");
    add("[");
    ++level_;
    for (std::size_t index = 0; index < sequence.items.size(); ++index) {
      if (index > 0) add(style_.item_separator);
      new_line();
      write(sequence.items[index]);
    }
    --level_;
    new_line();
    add("]");
  }

  void write_object(const Dict& dict) {
    if (dict.entries().empty()) return add("{}");
    add("{");
    ++level_;
    bool first = true;
    for (const std::size_t index : key_order(dict)) {
      const auto& [key, value] = dict.entries()[index];
      if (!first) add(style_.item_separator);
      first = false;
      new_line();
      write_key(key);
      add(style_.key_separator);
      write(value);
    }
    --level_;
    new_line();
    add("}");
  }

  std::vector<std::size_t> key_order(const Dict& dict) {
    std::vector<Value> keys;
    for (const auto& [key, value] : dict.entries()) keys.push_back(key);
    if (style_.sort_keys) return sorted_places(meter_, keys, false);
    std::vector<std::size_t> order(keys.size());
    for (std::size_t index = 0; index < order.size(); ++index) order[index] = index;
    return order;
  }

  void write_key(const Value& key) {
    if (const Text* text = key.text()) return quote(text->bytes);
    if (key.is_none() || key.is<bool>() || key.is<Integer>() || key.is<double>()) {
      add("\"");
      write(key);
      return add("\"");
    }
    fail(std::string("keys must be str, int, float, bool or None, not ") + type_name(key));
  }

  Meter& meter_;
  const JsonStyle& style_;
  std::string out_;
  int level_ = 0;
};

}  // namespace

std::string to_json(Meter& meter, const Value& value, const JsonStyle& style) {
  JsonWriter writer(meter, style);
  writer.write(value);
  return writer.take();
}

}  // namespace tessera::jinja
