// The tables of everything a template can call by name: filters, tests, global functions and
// methods. Constant after start; any thread may look up.
#pragma once

#include <optional>
#include <string_view>

#include "engine/chat/value.h"

namespace tessera::jinja {

struct NamedBuiltin {
  std::string_view name;
  Builtin function;
};

std::optional<Builtin> find_filter(std::string_view name);
std::optional<Builtin> find_test(std::string_view name);
// Jinja's and Hugging Face's globals: range, dict, namespace, raise_exception, strftime_now.
const NamedBuiltin* find_global(std::string_view name);

// Null when the type has no such method here. The entry lives forever.
const NamedBuiltin* find_text_method(std::string_view name);
const NamedBuiltin* find_sequence_method(std::string_view name);
const NamedBuiltin* find_dict_method(std::string_view name);
const NamedBuiltin* find_loop_method(std::string_view name);

template <std::size_t kCount>
const NamedBuiltin* find_in(const NamedBuiltin (&table)[kCount], std::string_view name) {
  for (const NamedBuiltin& entry : table) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

}  // namespace tessera::jinja
