// Finds many byte strings in one linear pass. Made once from its patterns, then immutable; the
// caller carries the state, so any number of threads and streams share one automaton.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tessera {

class AhoCorasick {
 public:
  // REQUIRES: patterns are distinct and not empty. Memory is about 20 bytes per pattern byte.
  explicit AhoCorasick(std::span<const std::string> patterns);

  static constexpr uint32_t kStart = 0;
  // The state after one more byte; amortised constant time.
  uint32_t step(uint32_t state, unsigned char byte) const;
  // One byte further along a pattern from its start: the automaton as a plain trie. kStart if no
  // pattern goes on so.
  uint32_t child(uint32_t state, unsigned char byte) const;
  // Index of the longest pattern that ends here, or -1.
  int match(uint32_t state) const { return nodes_[state].match; }
  // Length of the longest end of the input that begins some pattern.
  size_t depth(uint32_t state) const { return nodes_[state].depth; }

 private:
  struct Node {
    uint32_t first_edge = 0, end_edge = 0;
    uint32_t fallback = 0;
    uint32_t depth = 0;
    int32_t match = -1;
  };
  struct Edge {
    unsigned char byte;
    uint32_t to;
  };

  std::vector<Node> nodes_;
  std::vector<Edge> edges_;
  std::array<uint32_t, 256> from_start_ = {};
};

}  // namespace tessera
