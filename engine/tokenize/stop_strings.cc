#include "engine/tokenize/stop_strings.h"

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "engine/tokenize/text.h"
#include "engine/tokenize/utf8.h"

namespace tessera {

absl::StatusOr<StopStrings> StopStrings::build(std::vector<std::string> strings) {
  StopStrings result;
  absl::flat_hash_set<std::string> seen;
  for (size_t index = 0; index < strings.size(); ++index) {
    if (strings[index].empty()) {
      return absl::InvalidArgumentError(concat("stop string ", index, " is empty"));
    }
    if (!is_valid_utf8(strings[index])) {
      return absl::InvalidArgumentError(concat("stop string ", index, " is no valid UTF-8"));
    }
    if (!seen.insert(strings[index]).second) continue;
    result.strings_.push_back(std::move(strings[index]));
    result.indices_.push_back(static_cast<int>(index));
  }
  if (!result.strings_.empty()) {
    result.automaton_ = std::make_shared<const AhoCorasick>(result.strings_);
  }
  return result;
}

StopWatch::StopWatch(const StopStrings& strings, bool include_stop)
    : strings_(strings), include_stop_(include_stop) {}

std::string StopWatch::append(std::string_view delta) {
  if (match_) return "";
  if (strings_.automaton_ == nullptr) {
    seen_ += delta.size();
    return std::string(delta);
  }
  const AhoCorasick& automaton = *strings_.automaton_;
  for (size_t at = 0; at < delta.size(); ++at) {
    state_ = automaton.step(state_, static_cast<unsigned char>(delta[at]));
    const int found = automaton.match(state_);
    if (found < 0) continue;
    const size_t length = strings_.strings_[found].size();
    held_.append(delta.substr(0, at + 1));
    seen_ += at + 1;
    match_ = {strings_.indices_[found], seen_ - length, seen_};
    if (!include_stop_) held_.resize(held_.size() - length);
    return std::exchange(held_, "");
  }
  seen_ += delta.size();
  held_.append(delta);
  // Only the end that is the beginning of a stop string may still be taken back.
  std::string released = held_.substr(0, held_.size() - automaton.depth(state_));
  held_.erase(0, released.size());
  return released;
}

std::string StopWatch::flush() { return std::exchange(held_, ""); }

}  // namespace tessera
