// N-gram lookup (prompt lookup decoding, Saxena 2023): text repeats itself. The longest suffix of
// the context that occurred before is looked up in a table kept as tokens arrive, O(max_n) per
// token, and what followed its latest occurrences is proposed, merged into one tree.
#include "engine/decode/proposers/ngram.h"

#include <algorithm>

namespace tessera {
namespace {

uint64_t hash_of(std::span<const int32_t> tokens) {
  uint64_t hash = 0x9e3779b97f4a7c15u ^ tokens.size();
  for (int32_t token : tokens) {
    hash = (hash ^ static_cast<uint32_t>(token)) * 0xff51afd7ed558ccdu;
    hash ^= hash >> 32;
  }
  return hash;
}

}  // namespace

void Ngram::index_up_to(std::span<const int32_t> context, size_t end) {
  for (; indexed_ < end; ++indexed_) {
    const size_t stop = indexed_ + 1;  // one past the n-gram's last token
    for (int64_t n = params_.min_n; n <= params_.max_n && n <= static_cast<int64_t>(stop); ++n) {
      std::vector<int32_t>& ends = ends_[hash_of(context.subspan(stop - n, n))];
      if (static_cast<int64_t>(ends.size()) == params_.chains) ends.erase(ends.begin());
      ends.push_back(static_cast<int32_t>(stop));
    }
  }
}

Draft Ngram::propose(std::span<const int32_t> context, int drafts_max, int depth_max) {
  Draft draft;
  if (context.empty()) return draft;
  // The last token's own n-grams are indexed only when something follows them.
  index_up_to(context, context.size() - 1);
  const size_t depth = static_cast<size_t>(std::min<int64_t>(params_.tokens, depth_max));
  for (int64_t n = std::min<int64_t>(params_.max_n, static_cast<int64_t>(context.size()));
       n >= params_.min_n; --n) {
    const auto suffix = context.subspan(context.size() - n, n);
    const auto found = ends_.find(hash_of(suffix));
    if (found == ends_.end()) continue;
    for (auto end = found->second.rbegin(); end != found->second.rend(); ++end) {
      if (!std::ranges::equal(context.subspan(*end - n, n), suffix)) continue;
      merge_chain(context.subspan(*end, std::min(depth, context.size() - *end)), drafts_max, draft);
    }
    if (!draft.tokens.empty()) break;
  }
  return draft;
}

}  // namespace tessera
