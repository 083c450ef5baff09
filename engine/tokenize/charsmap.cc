#include "engine/tokenize/charsmap.h"

#include <algorithm>

#include "engine/tokenize/text.h"
#include "engine/tokenize/utf8.h"

namespace tessera {
namespace {

constexpr size_t kMaxBlobBytes = 4 << 20;  // the one in use has 240 kB
constexpr size_t kMaxRuleBytes = 64;       // of the text replaced
constexpr size_t kMaxReplacementBytes = 128;
constexpr size_t kLabels = 256;

// A unit of the double array: label or, with the top bit, a leaf's value; see offset().
constexpr uint32_t kLabelBits = 1u << 31 | 0xFF;

bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
size_t value_of(uint32_t leaf) { return leaf & ((1u << 31) - 1); }
size_t offset(uint32_t unit) { return static_cast<size_t>(unit >> 10) << ((unit & 1u << 9) >> 6); }

uint32_t read_u32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (int index = 3; index >= 0; --index) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + index]);
  }
  return value;
}

}  // namespace

absl::StatusOr<Charsmap> Charsmap::read(std::string_view blob) {
  Charsmap map;
  if (blob.empty()) return map;
  if (blob.size() > kMaxBlobBytes) {
    return absl::InvalidArgumentError(concat("longer than ", kMaxBlobBytes, " bytes"));
  }
  const size_t trie_bytes = blob.size() < 4 ? 0 : read_u32(blob, 0);
  if (trie_bytes == 0 || trie_bytes % 4 != 0 || trie_bytes > blob.size() - 4) {
    return absl::InvalidArgumentError("the size of its trie does not fit");
  }
  for (size_t at = 0; at < trie_bytes; at += 4) map.units_.push_back(read_u32(blob, 4 + at));
  map.replacements_ = blob.substr(4 + trie_bytes);
  if (absl::Status status = map.check(); !status.ok()) return status;
  return map;
}

// Walks the whole trie: every way through it is short (so there is no cycle), stays inside, and
// every leaf names a replacement. Equal ends of rules share their units, so a unit may be reached
// often.
absl::Status Charsmap::check() {
  if (!is_valid_utf8(replacements_)) {
    return absl::InvalidArgumentError("a replacement is no valid UTF-8");
  }
  std::vector<uint8_t> known(units_.size() + kLabels);
  return check_below(offset(units_[0]), 0, &known).status();
}

// The height of the trie below the units that start at `base`. `known` holds 1 + the height of
// those walked already, by base.
absl::StatusOr<size_t> Charsmap::check_below(size_t base, size_t depth,
                                             std::vector<uint8_t>* known) const {
  size_t height = 0;
  if (base >= known->size()) return height;  // no unit is there
  uint8_t& memory = (*known)[base];
  if (memory > 0) {
    height = memory - 1;
  } else {
    for (size_t label = 1; depth < kMaxRuleBytes && label < kLabels; ++label) {
      const size_t at = base ^ label;
      if (!has_unit(at) || (units_[at] & kLabelBits) != label) continue;
      const size_t below = at ^ offset(units_[at]);
      if (has_leaf(units_[at])) {
        absl::Status status = check_leaf(below);
        if (!status.ok()) return status;
      }
      const absl::StatusOr<size_t> found = check_below(below, depth + 1, known);
      if (!found.ok()) return found.status();
      height = std::max(height, 1 + *found);
    }
    memory = static_cast<uint8_t>(1 + height);
  }
  if (depth + height >= kMaxRuleBytes) {
    return absl::InvalidArgumentError(
        concat("a rule has ", kMaxRuleBytes, " bytes or more, or no end"));
  }
  return height;
}

absl::Status Charsmap::check_leaf(size_t leaf) const {
  if (!has_unit(leaf) || value_of(units_[leaf]) >= replacements_.size()) {
    return absl::InvalidArgumentError("a rule names no replacement");
  }
  const size_t begin = value_of(units_[leaf]);
  const size_t end = replacements_.find('\0', begin);
  if (end == std::string::npos || end - begin > kMaxReplacementBytes) {
    return absl::InvalidArgumentError("a replacement has no end or is too long");
  }
  if ((static_cast<unsigned char>(replacements_[begin]) & 0xC0) == 0x80) {
    return absl::InvalidArgumentError("a replacement starts inside a character");
  }
  return absl::OkStatus();
}

Charsmap::Rule Charsmap::longest(std::string_view text) const {
  Rule rule;
  if (units_.empty()) return rule;
  size_t base = offset(units_[0]);
  for (size_t length = 0; length < text.size(); ++length) {
    const auto label = static_cast<unsigned char>(text[length]);
    const size_t at = base ^ label;
    if (label == 0 || !has_unit(at) || (units_[at] & kLabelBits) != label) break;
    base = at ^ offset(units_[at]);
    if (has_leaf(units_[at])) {
      rule.length = length + 1;
      // Up to its NUL, which check() has found.
      rule.replacement = replacements_.c_str() + value_of(units_[base]);
    }
  }
  return rule;
}

}  // namespace tessera
