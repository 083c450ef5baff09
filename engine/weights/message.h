// Text of error messages: concat("tensor ", name, ": ", count). Accepts whatever prints to a
// stream, so both kinds of string_view in use here. Stateless; any thread.
#pragma once

#include <sstream>
#include <string>

namespace tessera {

template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

}  // namespace tessera
