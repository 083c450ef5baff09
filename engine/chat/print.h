// Values as text: Python's str() and repr(), and json.dumps as chat templates call it. Charged to
// the meter; rendering thread only.
#pragma once

#include <string>
#include <string_view>

#include "engine/chat/value.h"

namespace tessera::jinja {

std::string to_str(Meter& meter, const Value& value);
std::string to_repr(Meter& meter, const Value& value);

std::string integer_text(Integer value);
// float.__repr__: the shortest digits that read back as the same value.
std::string float_text(double value);
void append_text_repr(std::string& out, std::string_view text);

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  bool indented = false;
  std::string indent;  // one level's, when indented
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
// Fails for values that JSON has no form for.
std::string to_json(Meter& meter, const Value& value, const JsonStyle& style);

}  // namespace tessera::jinja
