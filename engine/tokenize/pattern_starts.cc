#include "engine/tokenize/pattern_starts.h"

#include <algorithm>

namespace tessera {

PatternStarts::PatternStarts(std::span<const std::string> patterns) {
  if (patterns.empty()) return;
  std::vector<std::string> backwards;
  for (const std::string& pattern : patterns) {
    backwards.emplace_back(pattern.rbegin(), pattern.rend());
    lengths_.push_back(pattern.size());
  }
  reversed_ = std::make_shared<const AhoCorasick>(backwards);
}

std::vector<PatternStarts::Start> PatternStarts::find(std::string_view text) const {
  std::vector<Start> starts;
  if (empty()) return starts;
  uint32_t state = AhoCorasick::kStart;
  for (size_t at = text.size(); at-- > 0;) {
    state = reversed_->step(state, static_cast<unsigned char>(text[at]));
    const int pattern = reversed_->match(state);
    if (pattern >= 0) starts.push_back({at, lengths_[pattern], pattern});
  }
  std::reverse(starts.begin(), starts.end());
  return starts;
}

}  // namespace tessera
