#include "engine/tokenize/added_tokens.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "engine/tokenize/config_node.h"
#include "engine/tokenize/text.h"
#include "engine/tokenize/unicode.h"
#include "engine/tokenize/utf8.h"

namespace tessera {
namespace {

constexpr size_t kMaxAddedTokens = 1 << 18;
constexpr size_t kMaxAddedBytes = 4 << 20;  // of all together, once normalised

bool starts_with_class(std::string_view text, uint16_t any) {
  return !text.empty() && (CharClasses::get()[code_point_at(text, 0).value] & any) != 0;
}

bool ends_with_class(std::string_view text, uint16_t any) {
  return !text.empty() && starts_with_class(text.substr(previous_boundary(text, text.size())), any);
}

// No word character touches bytes [begin, end).
bool stands_alone(std::string_view text, size_t begin, size_t end) {
  return !ends_with_class(text.substr(0, begin), kWord) &&
         !starts_with_class(text.substr(end), kWord);
}

}  // namespace

absl::Status AddedTokens::build(std::vector<AddedToken> tokens, const Vocabulary& vocabulary,
                                const Normalizer& normalizer) {
  tokens_ = std::move(tokens);
  if (tokens_.size() > kMaxAddedTokens) {
    return absl::InvalidArgumentError(concat("more than ", kMaxAddedTokens, " tokens"));
  }
  auto next_id = static_cast<int32_t>(vocabulary.size());
  size_t bytes = 0;
  absl::flat_hash_set<std::string> special_contents;
  for (size_t index = 0; index < tokens_.size(); ++index) {
    const AddedToken& token = tokens_[index];
    const auto refusal = [&](std::string_view message) {
      return absl::InvalidArgumentError(
          concat("token ", shown(token.content), " with id ", token.id, " ", message));
    };
    if (token.content.empty()) return refusal("has no content");
    if (token.content.size() > kMaxTokenBytes) return refusal("is too long");
    if (!by_content_.emplace(token.content, index).second) return refusal("is listed twice");
    const std::optional<int32_t> known = vocabulary.id(token.content);
    const int32_t expected = known ? *known : next_id++;
    if (token.id != expected) return refusal(concat("would get id ", expected));
    if (!known && vocabulary.has(token.id)) return refusal("takes the id of a model token");
    by_id_[token.id] = index;
    id_end_ = std::max(id_end_, token.id + 1);
    decoded_.push_back(token.normalized ? normalizer.apply(token.content) : token.content);
    if (decoded_.back().empty()) return refusal("is empty once normalised");
    bytes += decoded_.back().size();
    if (bytes > kMaxAddedBytes) {
      return refusal(concat("and those before it have more than ", kMaxAddedBytes, " bytes"));
    }
    if (token.special) special_contents.insert(token.content);
  }
  for (size_t index = 0; index < tokens_.size(); ++index) {
    is_special_.push_back(special_contents.contains(tokens_[index].content));
    is_skipped_.push_back(special_contents.contains(decoded_[index]));
  }
  if (absl::Status status = build_matcher(false, &plain_); !status.ok()) return status;
  return build_matcher(true, &normalized_);
}

absl::Status AddedTokens::build_matcher(bool normalized, Matcher* matcher) const {
  std::vector<std::string> patterns;
  absl::flat_hash_set<std::string> seen;
  for (size_t index = 0; index < tokens_.size(); ++index) {
    if (tokens_[index].normalized != normalized) continue;
    const std::string& pattern = decoded_[index];
    if (!seen.insert(pattern).second) {
      return absl::InvalidArgumentError(
          concat("token ", shown(tokens_[index].content), " equals another one once normalised"));
    }
    patterns.push_back(pattern);
    matcher->tokens.push_back(index);
  }
  matcher->patterns = PatternStarts(patterns);
  return absl::OkStatus();
}

// Leftmost, of those the longest, none overlapping.
std::vector<AddedTokens::Found> AddedTokens::find_all(const Matcher& matcher,
                                                      std::string_view text) {
  std::vector<Found> found;
  size_t open = 0;
  for (const PatternStarts::Start& start : matcher.patterns.find(text)) {
    if (start.begin < open) continue;
    open = start.begin + start.length;
    found.push_back({start.begin, open, matcher.tokens[start.pattern]});
  }
  return found;
}

void AddedTokens::cut(const Matcher& matcher, const TextPiece& piece, bool parse_special,
                      std::vector<TextPiece>* out) const {
  const std::string_view text = piece.text;
  if (text.empty()) return;
  if (matcher.patterns.empty()) {
    out->push_back(piece);
    return;
  }
  size_t open = 0;       // end of what is cut off already
  size_t white_end = 0;  // end of the white space last taken along
  for (const Found& found : find_all(matcher, text)) {
    const AddedToken& token = tokens_[found.token];
    if (!parse_special && is_special_[found.token]) continue;
    if (token.single_word && !stands_alone(text, found.begin, found.end)) continue;
    size_t begin = found.begin, end = found.end;
    while (token.lstrip && begin > open && ends_with_class(text.substr(0, begin), kWhiteSpace)) {
      begin = previous_boundary(text, begin);
    }
    if (token.lstrip) begin = std::max(begin, open);
    if (token.rstrip) {
      // White space is measured once, however many tokens lie inside it.
      if (end > white_end) white_end = end;
      while (starts_with_class(text.substr(white_end), kWhiteSpace)) {
        white_end += code_point_at(text, white_end).bytes;
      }
      end = white_end;
    }
    if (open < begin) out->push_back(part_of(piece, open, begin));
    out->push_back({text.substr(found.begin, found.end - found.begin), token.id, 0});
    open = end;
  }
  if (open < text.size()) out->push_back(part_of(piece, open, text.size()));
}

std::vector<TextPiece> AddedTokens::extract(std::string_view text, const Normalizer& normalizer,
                                            bool parse_special, PieceArena* arena) const {
  std::vector<TextPiece> raw, pieces;
  const size_t origin = text.empty() ? 0 : code_point_at(text, 0).bytes;
  cut(plain_, {text, -1, origin}, parse_special, &raw);
  for (const TextPiece& piece : raw) {
    if (piece.token >= 0) {
      pieces.push_back(piece);
    } else {
      cut(normalized_, normalizer.apply(piece, arena), parse_special, &pieces);
    }
  }
  return pieces;
}

std::optional<int32_t> AddedTokens::id(std::string_view content) const {
  const auto it = by_content_.find(std::string(content));
  if (it == by_content_.end()) return std::nullopt;
  return tokens_[it->second].id;
}

const AddedToken* AddedTokens::find(int32_t id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? nullptr : &tokens_[it->second];
}

std::string_view AddedTokens::decoded(int32_t id) const {
  const auto it = by_id_.find(id);
  return it == by_id_.end() ? std::string_view() : std::string_view(decoded_[it->second]);
}

bool AddedTokens::skipped_in_decoding(int32_t id) const {
  const auto it = by_id_.find(id);
  return it != by_id_.end() && is_skipped_[it->second];
}

}  // namespace tessera
