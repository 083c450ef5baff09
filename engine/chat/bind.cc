#include "engine/chat/bind.h"

#include <algorithm>

#include "engine/chat/compare.h"

namespace tessera::jinja {

std::vector<Value> bind(const char* function, const Arguments& arguments,
                        std::initializer_list<const char*> names, std::size_t required) {
  std::vector<Value> bound(names.size());
  if (arguments.positional.size() > names.size()) {
    fail(std::string(function) + "() takes at most " + std::to_string(names.size()) +
         " arguments besides its input");
  }
  std::copy(arguments.positional.begin(), arguments.positional.end(), bound.begin());
  for (const auto& [name, value] : arguments.named) {
    const auto* known =
        std::find_if(names.begin(), names.end(),
                     [&name = name](const char* candidate) { return name == candidate; });
    if (known == names.end()) {
      fail(std::string(function) + "() got an unexpected keyword argument '" + name + "'");
    }
    Value& slot = bound[static_cast<std::size_t>(known - names.begin())];
    if (!slot.is_missing()) {
      fail(std::string(function) + "() got multiple values for argument '" + name + "'");
    }
    slot = value;
  }
  for (std::size_t index = 0; index < required; ++index) {
    if (bound[index].is_missing()) {
      fail(std::string(function) + "() misses the argument '" + names.begin()[index] + "'");
    }
  }
  return bound;
}

std::vector<Value> bind_positional(const char* function, const Arguments& arguments,
                                   std::size_t required, std::size_t most) {
  if (!arguments.named.empty()) fail(std::string(function) + "() takes no keyword arguments");
  if (arguments.positional.size() < required || arguments.positional.size() > most) {
    fail(std::string(function) + "() takes " + std::to_string(required) + " to " +
         std::to_string(most) + " arguments, not " + std::to_string(arguments.positional.size()));
  }
  std::vector<Value> bound = arguments.positional;
  bound.resize(most);
  return bound;
}

bool given(const Value& value) { return !value.is_missing() && !value.is_none(); }

Integer integer_argument(const Value& value, Integer fallback, const char* what) {
  if (value.is_missing()) return fallback;
  Integer number;
  if (const Undefined* undefined = value.undefined()) fail_undefined(*undefined);
  if (!as_integer(value, number)) {
    fail(std::string(what) + " must be an int, not '" + type_name(value) + "'");
  }
  return number;
}

const Text& text_argument(const Value& value, const char* what) {
  const Text* text = value.text();
  if (text == nullptr) fail(std::string(what) + " must be a str, not '" + type_name(value) + "'");
  return *text;
}

bool flag_argument(const Value& value) { return truth(value); }

}  // namespace tessera::jinja
