// Prompt lookup; see ngram.cc. The header exists for the registry line and the test.
#pragma once

#include <unordered_map>

#include "engine/decode/proposer.h"

namespace tessera {

struct NgramParams {
  int64_t min_n = 2;   // shortest suffix looked up
  int64_t max_n = 5;   // longest
  int64_t tokens = 8;  // drafted after a match
  int64_t chains = 2;  // earlier occurrences merged into one tree

  template <class V>
  void visit(V& v) {
    v("min_n", min_n, between(1, 16), "shortest suffix looked up, tokens");
    v("max_n", max_n, between(1, 16), "longest suffix looked up, tokens");
    v("tokens", tokens, between(1, 63), "tokens drafted after a match");
    v("chains", chains, between(1, 8), "earlier occurrences merged into one tree");
  }
};

class Ngram final : public Proposer {
 public:
  explicit Ngram(const NgramParams& params) : params_(params) {}
  Draft propose(std::span<const int32_t> context, int drafts_max, int depth_max) override;

 private:
  void index_up_to(std::span<const int32_t> context, size_t end);

  NgramParams params_;
  size_t indexed_ = 0;  // positions whose n-grams are in the table
  // Hash of an n-gram (its length mixed in) -> ends of its latest occurrences, newest last.
  std::unordered_map<uint64_t, std::vector<int32_t>> ends_;
};

}  // namespace tessera
