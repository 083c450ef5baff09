// The filters, one table per file that implements some. Constant; any thread.
#pragma once

#include "engine/chat/builtins.h"

namespace tessera::jinja {

const NamedBuiltin* find_text_filter(std::string_view name);      // text_filters.cc
const NamedBuiltin* find_value_filter(std::string_view name);     // value_filters.cc
const NamedBuiltin* find_sequence_filter(std::string_view name);  // sequence_filters.cc
const NamedBuiltin* find_order_filter(std::string_view name);     // order_filters.cc
const NamedBuiltin* find_choice_filter(std::string_view name);    // choice_filters.cc

}  // namespace tessera::jinja
