// SentencePiece's unigram model: the cut of the text whose pieces have the highest sum of scores.
#include <algorithm>

#include "engine/tokenize/sentence_piece_model.h"
#include "engine/tokenize/utf8.h"

namespace tessera {
namespace {

constexpr float kUnkPenalty = 10.0f;          // below the lowest score
constexpr double kUserDefinedGain = 0.1;      // a user-defined piece, for each byte after its first
constexpr float kResetThreshold = 100000.0f;  // beyond it floats would no longer tell pieces apart

// The best cut of the text up to some byte ends with this piece.
struct BestEnd {
  int32_t id = -1;
  float score = 0;  // of the whole cut
  size_t begin = 0;
  bool is_reached = false;
};

// Sums are kept in float and in the library's order, since ties are decided by their last bit.
struct BestCut {
  std::vector<BestEnd> ends;  // by byte
  size_t frontier = 0;        // furthest end reached

  void offer(size_t end, size_t begin, int32_t id, float score) {
    BestEnd& best = ends[end];
    frontier = std::max(frontier, end);
    if (!best.is_reached || score > best.score) best = {id, score, begin, true};
  }

  // Shifts the scores that still matter so that this place has none.
  float score_at(size_t place) {
    const float score = ends[place].score;
    if (score >= -kResetThreshold && score <= kResetThreshold) return score;
    for (size_t end = place; end <= frontier; ++end) {
      if (end == place || ends[end].is_reached) ends[end].score -= score;
    }
    return 0;
  }
};

}  // namespace

std::vector<SentencePieceModel::Segment> SentencePieceModel::segment_unigram(
    std::string_view text) const {
  BestCut cut{std::vector<BestEnd>(text.size() + 1)};
  const float unk_score = lowest_score_ - kUnkPenalty;
  for (size_t begin = 0; begin < text.size();) {
    const float so_far = cut.score_at(begin);
    const size_t character = code_point_at(text, begin).bytes;
    bool has_character = false;
    uint32_t state = AhoCorasick::kStart;
    for (size_t end = begin; end < text.size();) {
      state = trie_->child(state, static_cast<unsigned char>(text[end]));
      if (state == AhoCorasick::kStart) break;
      ++end;
      const int pattern = trie_->match(state);
      const size_t length = end - begin;
      // match() may also be a shorter piece that only ends here.
      if (pattern < 0 || vocabulary_->text(trie_ids_[pattern]).size() != length) continue;
      const int32_t id = trie_ids_[pattern];
      if (types_[id] == PieceType::kUnused) continue;
      const float score =
          types_[id] == PieceType::kUserDefined
              ? static_cast<float>(kUserDefinedGain * static_cast<double>(length - 1))
              : scores_[id];
      cut.offer(end, begin, id, score + so_far);
      has_character = has_character || length == character;
    }
    if (!has_character) cut.offer(begin + character, begin, unk_id_, unk_score + so_far);
    begin += character;
  }
  std::vector<Segment> segments;
  for (size_t end = text.size(); end > 0; end = cut.ends[end].begin) {
    const BestEnd& best = cut.ends[end];
    segments.push_back({text.substr(best.begin, end - best.begin), best.id});
  }
  std::reverse(segments.begin(), segments.end());
  return segments;
}

}  // namespace tessera
