#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "engine/tokenize/table_reader.h"
#include "engine/tokenize/unicode.h"
#include "engine/tokenize/utf8.h"

namespace tessera {
namespace {

#include "engine/tokenize/unicode_mappings.inc"

// Hangul syllables are arithmetic: L, V and T jamo counts of the Unicode standard, chapter 3.12.
constexpr char32_t kSyllable = 0xAC00, kLead = 0x1100, kVowel = 0x1161, kTail = 0x11A7;
constexpr char32_t kLeads = 19, kVowels = 21, kTails = 28;
constexpr char32_t kSyllables = kLeads * kVowels * kTails;

struct Mappings {
  absl::flat_hash_map<char32_t, std::u32string> canonical, compatible;
  absl::flat_hash_map<uint64_t, char32_t> composites;  // key: first << 32 | second
  absl::flat_hash_map<char32_t, uint8_t> orders;       // rank of the combining class, never 0
};

uint64_t pair_key(char32_t first, char32_t second) {
  return static_cast<uint64_t>(first) << 32 | second;
}

void read_composites(const std::vector<char32_t>& composing, Mappings* maps) {
  absl::flat_hash_map<std::u32string, char32_t> by_parts;
  for (const char32_t code : composing) by_parts[maps->canonical[code]] = code;
  for (const char32_t code : composing) {
    const std::u32string& parts = maps->canonical[code];
    const std::u32string front = parts.substr(0, parts.size() - 1);
    const auto it = by_parts.find(front);
    const char32_t first = it == by_parts.end() ? front[0] : it->second;
    maps->composites[pair_key(first, parts.back())] = code;
  }
}

Mappings read_mappings() {
  Mappings maps;
  std::vector<char32_t> composing;
  TableReader canonical(kCanonical);
  for (char32_t code = 0; !canonical.done();) {
    code += canonical.next();
    const uint32_t header = canonical.next();
    std::u32string& parts = maps.canonical[code];
    for (uint32_t left = header / 2; left > 0; --left) parts += code + canonical.next_signed();
    if (header & 1) composing.push_back(code);
  }
  TableReader compatible(kCompatible);
  for (char32_t code = 0; !compatible.done();) {
    code += compatible.next();
    std::u32string& parts = maps.compatible[code];
    for (uint32_t left = compatible.next(); left > 0; --left) {
      parts += code + compatible.next_signed();
    }
  }
  TableReader orders(kCombiningOrder);
  for (char32_t code = 0; !orders.done();) {
    code += orders.next();
    maps.orders[code] = static_cast<uint8_t>(orders.next());
  }
  read_composites(composing, &maps);
  return maps;
}

const Mappings& mappings() {
  static const Mappings* const maps = new Mappings(read_mappings());
  return *maps;
}

struct Mark {
  char32_t code;
  uint8_t order;  // 0 is a starter
};

uint8_t order_of(const Mappings& maps, char32_t code) {
  if (code < 0x300) return 0;
  const auto it = maps.orders.find(code);
  return it == maps.orders.end() ? 0 : it->second;
}

void decompose(const Mappings& maps, bool is_compatible, char32_t code, std::vector<Mark>* out) {
  if (code >= kSyllable && code < kSyllable + kSyllables) {
    const char32_t index = code - kSyllable;
    out->push_back({kLead + index / (kVowels * kTails), 0});
    out->push_back({kVowel + index % (kVowels * kTails) / kTails, 0});
    if (index % kTails != 0) out->push_back({kTail + index % kTails, 0});
    return;
  }
  const std::u32string* parts = nullptr;
  if (is_compatible) {
    const auto it = maps.compatible.find(code);
    if (it != maps.compatible.end()) parts = &it->second;
  }
  if (parts == nullptr) {
    const auto it = maps.canonical.find(code);
    if (it != maps.canonical.end()) parts = &it->second;
  }
  if (parts == nullptr) {
    out->push_back({code, order_of(maps, code)});
    return;
  }
  for (const char32_t part : *parts) out->push_back({part, order_of(maps, part)});
}

void order_marks(std::vector<Mark>* marks) {
  for (auto it = marks->begin(); it != marks->end();) {
    if (it->order == 0) {
      ++it;
      continue;
    }
    const auto end = std::find_if(it, marks->end(), [](const Mark& m) { return m.order == 0; });
    std::stable_sort(it, end, [](const Mark& a, const Mark& b) { return a.order < b.order; });
    it = end;
  }
}

// 0 if the two do not compose.
char32_t composite(const Mappings& maps, char32_t first, char32_t second) {
  if (first >= kLead && first < kLead + kLeads && second >= kVowel && second < kVowel + kVowels) {
    return kSyllable + ((first - kLead) * kVowels + (second - kVowel)) * kTails;
  }
  if (first >= kSyllable && first < kSyllable + kSyllables && (first - kSyllable) % kTails == 0 &&
      second > kTail && second < kTail + kTails) {
    return first + (second - kTail);
  }
  const auto it = maps.composites.find(pair_key(first, second));
  return it == maps.composites.end() ? 0 : it->second;
}

void compose(const Mappings& maps, std::vector<Mark>* marks) {
  size_t kept = 0;
  size_t starter = 0;
  bool has_starter = false;
  for (const Mark mark : *marks) {
    if (has_starter) {
      // Blocked by a kept mark of the same or a higher class, or by a kept starter in between.
      const bool is_adjacent = kept == starter + 1;
      const bool is_open =
          is_adjacent || (mark.order != 0 && (*marks)[kept - 1].order < mark.order);
      const char32_t joined = is_open ? composite(maps, (*marks)[starter].code, mark.code) : 0;
      if (joined != 0) {
        (*marks)[starter].code = joined;
        continue;
      }
    }
    if (mark.order == 0) {
      starter = kept;
      has_starter = true;
    }
    (*marks)[kept++] = mark;
  }
  marks->resize(kept);
}

// Below these bounds every code point is its own normal form and a starter.
char32_t untouched_below(NormalForm form) {
  return form == NormalForm::kNfc ? 0x300 : form == NormalForm::kNfd ? 0xC0 : 0xA0;
}

bool is_untouched(NormalForm form, std::string_view text) {
  const char32_t bound = untouched_below(form);
  for (size_t at = 0; at < text.size();) {
    const CodePoint code = code_point_at(text, at);
    if (code.value >= bound) return false;
    at += code.bytes;
  }
  return true;
}

}  // namespace

std::string normal_form(NormalForm form, std::string_view text) {
  if (is_untouched(form, text)) return std::string(text);
  const Mappings& maps = mappings();
  const bool is_compatible = form == NormalForm::kNfkc || form == NormalForm::kNfkd;
  std::vector<Mark> marks;
  marks.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const CodePoint code = code_point_at(text, at);
    at += code.bytes;
    decompose(maps, is_compatible, code.value, &marks);
  }
  order_marks(&marks);
  if (form == NormalForm::kNfc || form == NormalForm::kNfkc) compose(maps, &marks);
  std::string out;
  out.reserve(text.size());
  for (const Mark& mark : marks) append_utf8(mark.code, &out);
  return out;
}

}  // namespace tessera
