// Small text operations on std::string_view, which Debian's Abseil does not take. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

namespace tessera {

inline void append_part(std::string* out, std::string_view part) { out->append(part); }
template <class Number, class = std::enable_if_t<std::is_integral_v<Number>>>
void append_part(std::string* out, Number part) {
  out->append(std::to_string(part));
}

// Texts and whole numbers, one after the other.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::string out;
  (append_part(&out, parts), ...);
  return out;
}

// Every occurrence, left to right, none overlapping. REQUIRES: pattern is not empty.
inline std::string replace_all(std::string_view text, std::string_view pattern,
                               std::string_view content) {
  std::string out;
  out.reserve(text.size());
  size_t open = 0;
  for (size_t at = text.find(pattern); at != std::string_view::npos;
       at = text.find(pattern, open)) {
    out.append(text.substr(open, at - open)).append(content);
    open = at + pattern.size();
  }
  return out.append(text.substr(open));
}

}  // namespace tessera
