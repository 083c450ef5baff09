// SentencePiece's BPE: neighbours whose joined text is a piece are joined in the order of that
// piece's score; a joined piece that is marked unused is taken apart again afterwards.
#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "engine/tokenize/sentence_piece_model.h"
#include "engine/tokenize/utf8.h"

namespace tessera {
namespace {

struct Candidate {
  float score;
  int32_t left, right;
  size_t length;  // bytes of the joined text
};

bool goes_later(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score < b.score : a.left > b.left;
}

}  // namespace

std::vector<SentencePieceModel::Symbol> SentencePieceModel::split_symbols(
    std::string_view text) const {
  const std::vector<PatternStarts::Start> starts = user_defined_.find(text);
  auto start = starts.begin();
  std::vector<Symbol> symbols;
  for (size_t at = 0; at < text.size();) {
    while (start != starts.end() && start->begin < at) ++start;
    const bool is_user_defined = start != starts.end() && start->begin == at;
    const size_t length = is_user_defined ? start->length : code_point_at(text, at).bytes;
    const auto index = static_cast<int32_t>(symbols.size());
    symbols.push_back({at, length, index - 1, index + 1, is_user_defined});
    at += length;
  }
  if (!symbols.empty()) symbols.back().next = -1;
  return symbols;
}

std::vector<SentencePieceModel::Segment> SentencePieceModel::segment_bpe(
    std::string_view text) const {
  std::vector<Symbol> symbols = split_symbols(text);
  std::vector<Candidate> heap;
  // How an unused piece was joined, by its text: the length of its left part.
  absl::flat_hash_map<std::string_view, size_t, std::hash<std::string_view>> left_parts;
  const auto push = [&](int32_t left, int32_t right) {
    if (left < 0 || right < 0 || symbols[left].is_frozen || symbols[right].is_frozen) return;
    const size_t length = symbols[left].length + symbols[right].length;
    if (length > longest_piece_) return;
    const std::string_view piece = text.substr(symbols[left].begin, length);
    const std::optional<int32_t> id = vocabulary_->id(piece);
    if (!id) return;
    const PieceType type = types_[*id];
    const bool is_joined = type == PieceType::kNormal || type == PieceType::kUserDefined;
    if (!is_joined && type != PieceType::kUnused) return;
    heap.push_back({scores_[*id], left, right, length});
    std::push_heap(heap.begin(), heap.end(), goes_later);
    if (type == PieceType::kUnused) left_parts[piece] = symbols[left].length;
  };
  for (size_t index = 1; index < symbols.size(); ++index) {
    push(static_cast<int32_t>(index - 1), static_cast<int32_t>(index));
  }
  while (!heap.empty()) {
    const Candidate best = heap.front();
    std::pop_heap(heap.begin(), heap.end(), goes_later);
    heap.pop_back();
    Symbol &left = symbols[best.left], &right = symbols[best.right];
    if (left.length == 0 || right.length == 0 || left.length + right.length != best.length)
      continue;
    left.length = best.length;
    left.next = right.next;
    if (right.next >= 0) symbols[right.next].previous = best.left;
    right.length = 0;
    push(left.previous, best.left);
    push(best.left, left.next);
  }

  std::vector<Segment> segments;
  std::vector<std::string_view> open;
  for (int32_t index = symbols.empty() ? -1 : 0; index >= 0; index = symbols[index].next) {
    open.push_back(text.substr(symbols[index].begin, symbols[index].length));
    while (!open.empty()) {
      const std::string_view piece = open.back();
      open.pop_back();
      const int32_t id = id_of(piece);
      const auto part =
          types_[id] == PieceType::kUnused ? left_parts.find(piece) : left_parts.end();
      if (part == left_parts.end()) {
        segments.push_back({piece, id});
      } else {
        open.push_back(piece.substr(part->second));
        open.push_back(piece.substr(0, part->second));
      }
    }
  }
  return segments;
}

}  // namespace tessera
