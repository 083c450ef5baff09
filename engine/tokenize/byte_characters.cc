#include "engine/tokenize/byte_characters.h"

#include "engine/tokenize/utf8.h"

namespace tessera {
namespace {

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

}  // namespace

std::string spell_bytes(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 4);
  for (const char byte : bytes)
    append_utf8(kByteCharacters[static_cast<unsigned char>(byte)], &out);
  return out;
}

int byte_of_piece(std::string_view piece) {
  if (piece.size() != 6 || piece.substr(0, 3) != "<0x" || piece[5] != '>') return -1;
  const size_t high = kHexDigits.find(piece[3]), low = kHexDigits.find(piece[4]);
  if (high == std::string_view::npos || low == std::string_view::npos) return -1;
  return static_cast<int>(high * 16 + low);
}

void append_spelled_bytes(std::string_view token, std::string* out) {
  const size_t start = out->size();
  for (size_t at = 0; at < token.size();) {
    const CodePoint code = code_point_at(token, at);
    const int byte = code.value < kCharacterBytes.size() ? kCharacterBytes[code.value] : -1;
    if (byte < 0) {
      out->resize(start);
      out->append(token);
      return;
    }
    out->push_back(static_cast<char>(byte));
    at += code.bytes;
  }
}

}  // namespace tessera
