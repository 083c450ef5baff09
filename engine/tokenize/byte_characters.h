// The spelling of bytes in byte-level vocabularies: printable Latin-1 bytes stand for themselves,
// the other 68 for U+0100 and up. Constant tables; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace tessera {

// The character that spells a byte; all are below U+0144, so one or two bytes of UTF-8.
inline constexpr std::array<char32_t, 256> kByteCharacters = [] {
  std::array<char32_t, 256> characters{};
  char32_t next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool is_printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
    characters[byte] = is_printable ? static_cast<char32_t>(byte) : next++;
  }
  return characters;
}();

// The byte a character spells, or -1. Indexed by code point below 324.
inline constexpr std::array<int16_t, 324> kCharacterBytes = [] {
  std::array<int16_t, 324> bytes{};
  for (int16_t& byte : bytes) byte = -1;
  for (int byte = 0; byte < 256; ++byte) bytes[kByteCharacters[byte]] = static_cast<int16_t>(byte);
  return bytes;
}();

std::string spell_bytes(std::string_view bytes);

// The byte that a byte-fallback token "<0x0A>" stands for, capitals only; -1: it is none.
int byte_of_piece(std::string_view piece);

// Appends the bytes that `token` spells; a token with any other character is appended as it is.
void append_spelled_bytes(std::string_view token, std::string* out);

}  // namespace tessera
