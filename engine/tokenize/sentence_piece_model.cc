#include "engine/tokenize/sentence_piece_model.h"

#include <algorithm>
#include <cfloat>
#include <utility>

#include "engine/tokenize/byte_characters.h"
#include "engine/tokenize/text.h"
#include "engine/tokenize/utf8.h"

namespace tessera {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

// Whether the library looks for such a piece in text.
bool is_found_in_text(PieceType type) {
  return type == PieceType::kNormal || type == PieceType::kUserDefined ||
         type == PieceType::kUnused;
}

}  // namespace

absl::StatusOr<SentencePieceModel> SentencePieceModel::build(const ModelProto& proto,
                                                             const Vocabulary& vocabulary,
                                                             bool prefix_each_part) {
  SentencePieceModel model(vocabulary);
  absl::StatusOr<Charsmap> charsmap = Charsmap::read(proto.charsmap);
  if (!charsmap.ok()) return charsmap.status();
  model.charsmap_ = *std::move(charsmap);
  model.settings_ = proto;
  model.settings_.pieces.clear();
  model.settings_.charsmap.clear();
  model.prefix_each_part_ = prefix_each_part;
  model.byte_ids_.assign(256, -1);
  model.lowest_score_ = FLT_MAX;
  std::vector<std::string> user_defined, findable;
  for (size_t index = 0; index < proto.pieces.size(); ++index) {
    const ModelPiece& piece = proto.pieces[index];
    const auto id = static_cast<int32_t>(index);
    model.scores_.push_back(piece.score);
    model.types_.push_back(piece.type);
    if (piece.type == PieceType::kUnknown) model.unk_id_ = id;
    if (piece.type == PieceType::kByte) model.byte_ids_[byte_of_piece(piece.text)] = id;
    if (piece.type == PieceType::kUserDefined) user_defined.push_back(piece.text);
    if (piece.type == PieceType::kNormal) {
      model.lowest_score_ = std::min(model.lowest_score_, piece.score);
    }
    if (!is_found_in_text(piece.type)) continue;
    model.longest_piece_ = std::max(model.longest_piece_, piece.text.size());
    findable.push_back(piece.text);
    model.trie_ids_.push_back(id);
  }
  model.user_defined_ = PatternStarts(user_defined);
  if (proto.is_unigram) model.trie_ = std::make_shared<const AhoCorasick>(findable);
  return model;
}

int32_t SentencePieceModel::id_of(std::string_view piece) const {
  return vocabulary_->id(piece).value_or(unk_id_);
}

// What is one step of the text for the normaliser, and what becomes of it.
std::string SentencePieceModel::normalize(std::string_view text, bool with_prefix) const {
  const std::vector<PatternStarts::Start> symbols = user_defined_.find(text);
  auto symbol = symbols.begin();
  size_t at = 0;
  const auto next_step = [&]() -> Charsmap::Rule {
    while (symbol != symbols.end() && symbol->begin < at) ++symbol;
    if (symbol != symbols.end() && symbol->begin == at) {
      return {symbol->length, text.substr(at, symbol->length)};
    }
    const Charsmap::Rule rule = charsmap_.longest(text.substr(at));
    if (rule.length > 0) return rule;
    // A rule may have ended inside a character; what is left of it is no text.
    if ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) return {1, kReplacementUtf8};
    const size_t bytes = code_point_at(text, at).bytes;
    return {bytes, text.substr(at, bytes)};
  };

  const bool removes = settings_.remove_extra_whitespaces;
  while (removes && at < text.size()) {
    const Charsmap::Rule step = next_step();
    if (step.replacement != " ") break;
    at += step.length;
  }
  std::string out;
  if (at == text.size()) return out;
  const std::string_view space = settings_.escape_whitespaces ? kSpaceMark : " ";
  const bool has_affix = with_prefix && settings_.add_dummy_prefix;
  if (has_affix && !settings_.treat_whitespace_as_suffix) out.append(space);
  bool follows_space = removes;
  while (at < text.size()) {
    Charsmap::Rule step = next_step();
    while (follows_space && step.replacement.starts_with(' ')) step.replacement.remove_prefix(1);
    if (!step.replacement.empty()) {
      out.append(replace_all(step.replacement, " ", space));
      follows_space = step.replacement.ends_with(' ');
    }
    at += step.length;
    if (!removes) follows_space = false;
  }
  while (removes && out.ends_with(space)) out.resize(out.size() - space.size());
  if (has_affix && settings_.treat_whitespace_as_suffix) out.append(space);
  return out;
}

void SentencePieceModel::encode(std::string_view text, bool is_first_part,
                                std::vector<int32_t>* ids) const {
  const std::string normalized = normalize(text, is_first_part || prefix_each_part_);
  if (normalized.empty()) return;
  bool follows_unk = false;
  for (const Segment& segment :
       settings_.is_unigram ? segment_unigram(normalized) : segment_bpe(normalized)) {
    const bool is_unk = segment.id == unk_id_;
    if (is_unk && settings_.byte_fallback) {
      for (const char byte : segment.text) {
        ids->push_back(byte_ids_[static_cast<unsigned char>(byte)]);
      }
    } else if (!is_unk || !follows_unk) {
      ids->push_back(segment.id);
    }
    follows_unk = is_unk;
  }
}

}  // namespace tessera
