// For each place in a text the longest of many patterns that starts there, in one linear pass over
// the text. Made once from its patterns, immutable; any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tokenize/aho_corasick.h"

namespace tessera {

class PatternStarts {
 public:
  struct Start {
    size_t begin;   // byte
    size_t length;  // bytes of the pattern
    int pattern;    // its index
  };

  PatternStarts() = default;  // no patterns
  // REQUIRES: patterns are distinct and not empty.
  explicit PatternStarts(std::span<const std::string> patterns);

  bool empty() const { return lengths_.empty(); }
  // By ascending place; places where no pattern starts are left out. Matches may overlap.
  std::vector<Start> find(std::string_view text) const;

 private:
  // Reads backwards: the longest pattern that "ends" at a byte is the longest that starts there.
  std::shared_ptr<const AhoCorasick> reversed_;
  std::vector<size_t> lengths_;
};

}  // namespace tessera
