// What the tokenizers need to know of Unicode: character classes, lower case, and the four
// normalisation forms. The tables agree with the `tokenizers` library code point by code point;
// they are decoded once, on first use, and never change. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// Bits, since the classes overlap and come from different places: the first seven are those of the
// pre-tokenizer patterns, the rest those of added tokens, Digits and Strip.
enum CharClass : uint16_t {
  kLetter = 1 << 0,       // \p{L}
  kNumber = 1 << 1,       // \p{N}
  kSpace = 1 << 2,        // \s
  kUpperCase = 1 << 3,    // \p{Lu} or \p{Lt}
  kLowerCase = 1 << 4,    // \p{Ll}
  kOtherLetter = 1 << 5,  // \p{Lm} or \p{Lo}
  kMark = 1 << 6,         // \p{M}
  kWord = 1 << 7,         // \w
  kNumeric = 1 << 8,      // what Digits splits off
  kWhiteSpace = 1 << 9,   // what Strip and lstrip/rstrip remove
};

class CharClasses {
 public:
  static const CharClasses& get();
  // All class bits of a code point up to U+10FFFF.
  uint16_t operator[](char32_t code) const {
    return masks_[blocks_[code >> 7] << 7 | (code & 127)];
  }

 private:
  CharClasses();

  std::vector<uint16_t> blocks_;  // [0x110000 / 128] index of a block of masks
  std::vector<uint16_t> masks_;   // [blocks * 128], equal blocks stored once
};

// Full lower case of each code point on its own (no context rules). REQUIRES: valid UTF-8.
std::string lower_case(std::string_view text);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// REQUIRES: valid UTF-8. Time n log n in the longest run of combining marks, else linear.
std::string normal_form(NormalForm form, std::string_view text);

}  // namespace tessera
