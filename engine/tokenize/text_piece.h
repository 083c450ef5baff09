// Text on its way to the model: a list of pieces, each either still text or already one token.
// Lives for one encode call on the stack of the calling thread.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera {

struct TextPiece {
  std::string_view text;    // valid UTF-8
  int32_t token = -1;       // set: this piece is an added token, its text is no longer looked at
  size_t origin_bytes = 0;  // leading bytes that stem from the very first character of the input
};

// Owns the strings that pieces point into once they differ from the input.
class PieceArena {
 public:
  std::string_view keep(std::string text) { return strings_.emplace_back(std::move(text)); }

 private:
  std::deque<std::string> strings_;
};

// bytes [begin, end) of a piece, with what is left of its origin bytes.
inline TextPiece part_of(const TextPiece& piece, size_t begin, size_t end) {
  return {piece.text.substr(begin, end - begin), -1,
          piece.origin_bytes > begin ? piece.origin_bytes - begin : 0};
}

}  // namespace tessera
