#include "engine/tokenize/unicode.h"

#include <map>

#include "absl/container/flat_hash_map.h"
#include "engine/tokenize/table_reader.h"
#include "engine/tokenize/utf8.h"

namespace tessera {
namespace {

#include "engine/tokenize/unicode_classes.inc"

constexpr uint32_t kCodePoints = 0x110000;
constexpr uint32_t kBlock = 128;

using LowerMap = absl::flat_hash_map<char32_t, std::u32string>;

LowerMap read_lowercase() {
  LowerMap map;
  TableReader table(kLowercase);
  char32_t code = 0;
  while (!table.done()) {
    code += table.next();
    std::u32string& lower = map[code];
    for (uint32_t left = table.next(); left > 0; --left) lower += code + table.next_signed();
  }
  return map;
}

}  // namespace

CharClasses::CharClasses() {
  TableReader runs(kClassRuns);
  std::map<std::vector<uint16_t>, uint16_t> known;
  uint32_t run_left = 0;
  uint16_t mask = 0;
  for (uint32_t start = 0; start < kCodePoints; start += kBlock) {
    std::vector<uint16_t> block(kBlock);
    for (uint16_t& entry : block) {
      if (run_left == 0) {
        run_left = runs.next();
        mask = static_cast<uint16_t>(runs.next());
      }
      --run_left;
      entry = mask;
    }
    const auto [it, is_new] = known.emplace(block, static_cast<uint16_t>(known.size()));
    if (is_new) masks_.insert(masks_.end(), block.begin(), block.end());
    blocks_.push_back(it->second);
  }
}

const CharClasses& CharClasses::get() {
  static const CharClasses* const classes = new CharClasses();
  return *classes;
}

std::string lower_case(std::string_view text) {
  static const LowerMap* const map = new LowerMap(read_lowercase());
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint code = code_point_at(text, at);
    at += code.bytes;
    if (code.value < 0x80) {
      const bool is_upper = code.value >= 'A' && code.value <= 'Z';
      out.push_back(static_cast<char>(is_upper ? code.value + ('a' - 'A') : code.value));
      continue;
    }
    const auto it = map->find(code.value);
    if (it == map->end()) {
      append_utf8(code.value, &out);
    } else {
      for (const char32_t lower : it->second) append_utf8(lower, &out);
    }
  }
  return out;
}

}  // namespace tessera
