#include "engine/tokenize/aho_corasick.h"

#include <algorithm>
#include <numeric>

namespace tessera {

AhoCorasick::AhoCorasick(std::span<const std::string> patterns) {
  std::vector<int32_t> order(patterns.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int32_t a, int32_t b) { return patterns[a] < patterns[b]; });
  // A node is a range of the sorted patterns that share their first `depth` bytes; breadth first,
  // so a node's fallback, which is shorter, is complete before the node needs it.
  struct Range {
    size_t begin, end;
    uint32_t parent;
    unsigned char byte;
  };
  std::vector<Range> ranges = {{0, order.size(), 0, 0}};
  nodes_.emplace_back();
  for (uint32_t state = 0; state < ranges.size(); ++state) {
    const Range range = ranges[state];
    const uint32_t depth = nodes_[state].depth;
    size_t at = range.begin;
    if (at < range.end && patterns[order[at]].size() == depth) nodes_[state].match = order[at++];
    if (depth > 1) {
      nodes_[state].fallback = step(nodes_[range.parent].fallback, range.byte);
    }
    if (nodes_[state].match < 0) nodes_[state].match = nodes_[nodes_[state].fallback].match;
    nodes_[state].first_edge = static_cast<uint32_t>(edges_.size());
    while (at < range.end) {
      const auto byte = static_cast<unsigned char>(patterns[order[at]][depth]);
      size_t end = at;
      while (end < range.end && static_cast<unsigned char>(patterns[order[end]][depth]) == byte) {
        ++end;
      }
      const auto to = static_cast<uint32_t>(ranges.size());
      ranges.push_back({at, end, state, byte});
      edges_.push_back({byte, to});
      nodes_.emplace_back().depth = depth + 1;
      if (state == kStart) from_start_[byte] = to;
      at = end;
    }
    nodes_[state].end_edge = static_cast<uint32_t>(edges_.size());
  }
}

uint32_t AhoCorasick::child(uint32_t state, unsigned char byte) const {
  if (state == kStart) return from_start_[byte];
  const Edge* const end = edges_.data() + nodes_[state].end_edge;
  const Edge* const found =
      std::lower_bound(edges_.data() + nodes_[state].first_edge, end, byte,
                       [](const Edge& edge, unsigned char wanted) { return edge.byte < wanted; });
  return found != end && found->byte == byte ? found->to : kStart;
}

uint32_t AhoCorasick::step(uint32_t state, unsigned char byte) const {
  for (;;) {
    const uint32_t to = child(state, byte);
    if (to != kStart || state == kStart) return to;
    state = nodes_[state].fallback;
  }
}

}  // namespace tessera
