// UTF-8 at the edge of the tokenizers: code points of text that is known to be valid, and the lossy
// reading of bytes that may not be. Pure functions and one small value type; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tessera {

inline constexpr std::string_view kReplacementUtf8 = "\xEF\xBF\xBD";

struct CodePoint {
  char32_t value = 0;
  int bytes = 0;
};

// The code point that starts at text[at]. REQUIRES: text is valid UTF-8, `at` is a boundary inside
// it.
inline CodePoint code_point_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t offset) { return static_cast<unsigned char>(text[at + offset]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {static_cast<char32_t>((lead & 0x1F) << 6 | (byte(1) & 0x3F)), 2};
  if (lead < 0xF0) {
    return {static_cast<char32_t>((lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F)),
            3};
  }
  return {static_cast<char32_t>((lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 |
                                (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F)),
          4};
}

// Where the code point that ends just before `end` starts. REQUIRES: valid UTF-8, end > 0.
inline size_t previous_boundary(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

// REQUIRES: value is a Unicode scalar value.
void append_utf8(char32_t value, std::string* out);

bool is_valid_utf8(std::string_view bytes);

// Each maximal invalid part becomes one U+FFFD, as in the Unicode standard's recommended practice.
std::string lossy_utf8(std::string_view bytes);

// The same, fed in pieces: gives out what no later byte can change and keeps at most three bytes.
class LossyUtf8 {
 public:
  void append(std::string_view bytes, std::string* out);
  // The input ended: an unfinished code point becomes one U+FFFD. Ready for another text
  // afterwards.
  void finish(std::string* out);

 private:
  void reset() { kept_ = missing_ = 0; }

  std::array<char, 4> pending_ = {};
  int kept_ = 0;                                  // bytes in pending_
  int missing_ = 0;                               // continuation bytes still to come
  unsigned char lowest_ = 0x80, highest_ = 0xBF;  // the range allowed for the next one
};

}  // namespace tessera
