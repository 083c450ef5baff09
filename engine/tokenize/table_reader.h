// Reads the generated Unicode tables: a string of base-64 digits, five value bits each, least
// significant first, the sixth bit saying that more follow. Used by unicode.cc and normal_form.cc.
#pragma once

#include <cstdint>
#include <string_view>

namespace tessera {

class TableReader {
 public:
  explicit TableReader(std::string_view digits) : rest_(digits) {}

  bool done() const { return rest_.empty(); }

  uint32_t next() {
    uint32_t value = 0;
    for (int shift = 0;; shift += 5) {
      const uint32_t digit = digit_value(rest_.front());
      rest_.remove_prefix(1);
      value |= (digit & 31) << shift;
      if (digit < 32) return value;
    }
  }

  // A signed number whose sign stands in the lowest bit.
  int32_t next_signed() {
    const uint32_t value = next();
    return static_cast<int32_t>(value >> 1) ^ -static_cast<int32_t>(value & 1);
  }

 private:
  static uint32_t digit_value(char digit) {
    if (digit >= 'A' && digit <= 'Z') return digit - 'A';
    if (digit >= 'a' && digit <= 'z') return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9') return digit - '0' + 52;
    return digit == '+' ? 62 : 63;
  }

  std::string_view rest_;
};

}  // namespace tessera
