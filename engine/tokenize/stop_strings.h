// Watches one output's text for stop strings. Text goes in as deltas and comes out again as soon as
// no stop string can still begin in it; the result does not depend on how the text was cut into
// deltas. Linear in the text. The StopStrings are immutable (any thread); a StopWatch belongs to
// one output and one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/tokenize/aho_corasick.h"

namespace tessera {

class StopStrings {
 public:
  // Empty strings and strings that are no UTF-8 are INVALID_ARGUMENT; equal ones count once, under
  // the first index.
  static absl::StatusOr<StopStrings> build(std::vector<std::string> strings);

  bool empty() const { return strings_.empty(); }

 private:
  friend class StopWatch;
  std::vector<std::string> strings_;              // distinct
  std::vector<int> indices_;                      // of each in the list given to build()
  std::shared_ptr<const AhoCorasick> automaton_;  // null if there are none
};

struct StopMatch {
  int index = 0;       // which of the strings given to StopStrings::build
  uint64_t begin = 0;  // byte of the output's text where it begins
  uint64_t end = 0;
};

class StopWatch {
 public:
  // With include_stop the released text ends after the stop string, else before it.
  // REQUIRES: strings outlives this.
  StopWatch(const StopStrings& strings, bool include_stop);

  // The text that may be sent now. The first stop string to be completed wins; of those completed
  // by the same byte, the longest. Once one has matched, every further delta releases nothing.
  std::string append(std::string_view delta);
  // The output ended: what was held back (nothing after a match).
  std::string flush();

  const std::optional<StopMatch>& match() const { return match_; }

 private:
  const StopStrings& strings_;
  bool include_stop_;
  uint32_t state_ = AhoCorasick::kStart;
  uint64_t seen_ = 0;  // bytes of text taken in
  std::string held_;   // the last of them, not yet released
  std::optional<StopMatch> match_;
};

}  // namespace tessera
