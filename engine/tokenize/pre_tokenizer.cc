#include "engine/tokenize/pre_tokenizer.h"

#include <algorithm>

#include "engine/tokenize/byte_characters.h"
#include "engine/tokenize/text.h"
#include "engine/tokenize/unicode.h"
#include "engine/tokenize/utf8.h"

namespace tessera {
namespace {

constexpr int kMaxDepth = 8;
constexpr size_t kMaxSteps = 32;
constexpr size_t kMaxLiteral = 1024;  // bytes
constexpr size_t kMaxGrowth = 256;    // how many times longer text may become

// Whether a text is exactly one code point; only such a replacement character is allowed.
bool is_one_character(std::string_view text) {
  return !text.empty() && static_cast<size_t>(code_point_at(text, 0).bytes) == text.size();
}

}  // namespace

PreTokenizer PreTokenizer::read(const ConfigNode& node) {
  PreTokenizer pre_tokenizer;
  if (node.is_absent()) return pre_tokenizer;
  pre_tokenizer.read_step(node, 0);
  pre_tokenizer.bound_growth(node);
  return pre_tokenizer;
}

// At worst every word has one byte, and every step puts its prefix before each.
void PreTokenizer::bound_growth(const ConfigNode& node) const {
  size_t growth = 1;
  for (const Step& step : steps_) {
    if (step.kind == Kind::kMetaspace) growth *= 1 + step.literal.size();
    if (step.kind == Kind::kByteLevel) growth *= step.add_prefix_space ? 4 : 2;
    if (growth > kMaxGrowth) {
      return node.refuse(concat("may make text more than ", kMaxGrowth, " times longer"));
    }
  }
}

void PreTokenizer::read_step(const ConfigNode& node, int depth) {
  if (!node.errors().ok()) return;
  const std::string type = node["type"].text();
  if (type == "Sequence") {
    if (depth == kMaxDepth) return node.refuse("nested too deeply");
    const ConfigNode list = node["pretokenizers"];
    for (size_t index = 0; index < list.size(); ++index) read_step(list.at(index), depth + 1);
    return;
  }
  if (steps_.size() == kMaxSteps) return node.refuse(concat("more than ", kMaxSteps, " steps"));
  if (type == "Split") {
    steps_.push_back(read_split(node));
  } else if (type == "Digits") {
    Step step{.kind = Kind::kDigits};
    const bool is_individual = node["individual_digits"].flag();
    step.behavior = is_individual ? Behavior::kIsolated : Behavior::kContiguous;
    steps_.push_back(step);
  } else if (type == "ByteLevel") {
    Step step{.kind = Kind::kByteLevel};
    step.add_prefix_space = node["add_prefix_space"].flag();
    step.use_regex = node["use_regex"].flag_or(true);
    step.pattern = ScanPattern::kGpt2;
    steps_.push_back(step);
  } else if (type == "Metaspace") {
    steps_.push_back(read_metaspace(node));
  } else {
    node["type"].refuse_value("is not a supported pre-tokenizer");
  }
}

PreTokenizer::Step PreTokenizer::read_split(const ConfigNode& node) {
  Step step{.kind = Kind::kSplit};
  const ConfigNode pattern = node["pattern"];
  const ConfigNode regex = pattern["Regex"];
  if (!regex.is_absent()) {
    step.pattern = known_pattern(regex.text());
    if (!step.pattern) regex.refuse_value("is not one of the supported patterns");
  } else {
    step.literal = pattern["String"].text();
    if (step.literal.empty()) pattern["String"].refuse("must not be empty");
    if (step.literal.size() > kMaxLiteral) {
      pattern["String"].refuse(concat("longer than ", kMaxLiteral, " bytes"));
    }
  }
  const std::string behavior = node["behavior"].text();
  if (behavior == "Removed") {
    step.behavior = Behavior::kRemoved;
  } else if (behavior == "Isolated") {
    step.behavior = Behavior::kIsolated;
  } else if (behavior == "MergedWithPrevious") {
    step.behavior = Behavior::kMergedWithPrevious;
  } else if (behavior == "MergedWithNext") {
    step.behavior = Behavior::kMergedWithNext;
  } else if (behavior == "Contiguous") {
    step.behavior = Behavior::kContiguous;
  } else {
    node["behavior"].refuse_value("is not a split behavior");
  }
  step.invert = node["invert"].flag();
  return step;
}

PreTokenizer::Step PreTokenizer::read_metaspace(const ConfigNode& node) {
  Step step{.kind = Kind::kMetaspace, .behavior = Behavior::kMergedWithNext};
  step.literal = node["replacement"].text();
  if (!is_one_character(step.literal)) node["replacement"].refuse_value("must be one character");
  const std::string scheme = node["prepend_scheme"].text_or("always");
  if (scheme == "always") {
    step.prepend = Prepend::kAlways;
  } else if (scheme == "first") {
    step.prepend = Prepend::kFirst;
  } else if (scheme != "never") {
    node["prepend_scheme"].refuse_value("must be \"first\", \"always\" or \"never\"");
  }
  if (!node["add_prefix_space"].flag_or(true) && step.prepend != Prepend::kNever) {
    node["add_prefix_space"].refuse("false contradicts prepend_scheme");
  }
  step.split = node["split"].flag_or(true);
  return step;
}

bool PreTokenizer::is_byte_level() const {
  return !steps_.empty() && steps_.back().kind == Kind::kByteLevel;
}

// Spans cover the text in order.
std::vector<PreTokenizer::Span> PreTokenizer::find_spans(const Step& step, std::string_view text) {
  std::vector<Span> spans;
  size_t open = 0;  // start of the text that no match covers yet
  const auto add_match = [&](size_t begin, size_t end) {
    if (open < begin) spans.push_back({open, begin, step.invert});
    spans.push_back({begin, end, !step.invert});
    open = end;
  };
  if (step.kind == Kind::kDigits) {
    const CharClasses& classes = CharClasses::get();
    for (size_t at = 0; at < text.size();) {
      const CodePoint code = code_point_at(text, at);
      if (classes[code.value] & kNumeric) add_match(at, at + code.bytes);
      at += code.bytes;
    }
  } else if (step.pattern) {
    for (size_t at = 0; at < text.size();) {
      const size_t end = scan(*step.pattern, text, at);
      add_match(at, end);
      at = end;
    }
  } else {
    for (size_t at = text.find(step.literal); at != std::string_view::npos;) {
      add_match(at, at + step.literal.size());
      at = text.find(step.literal, open);
    }
  }
  if (open < text.size()) spans.push_back({open, text.size(), step.invert});
  return spans;
}

void PreTokenizer::cut(const Step& step, const TextPiece& piece, std::vector<TextPiece>* out) {
  std::vector<Span> spans = find_spans(step, piece.text);
  const size_t first = out->size();
  const auto add = [&](const Span& span) { out->push_back(part_of(piece, span.begin, span.end)); };
  bool was_match = false;
  switch (step.behavior) {
    case Behavior::kIsolated:
      for (const Span& span : spans) add(span);
      return;
    case Behavior::kRemoved:
      for (const Span& span : spans) {
        if (!span.is_match) add(span);
      }
      return;
    case Behavior::kContiguous:
    case Behavior::kMergedWithPrevious: {
      const bool joins_equals = step.behavior == Behavior::kContiguous;
      std::vector<Span> joined;
      for (const Span& span : spans) {
        const bool joins = joins_equals ? span.is_match == was_match : span.is_match && !was_match;
        was_match = span.is_match;
        if (joins && !joined.empty()) {
          joined.back().end = span.end;
        } else {
          joined.push_back(span);
        }
      }
      for (const Span& span : joined) add(span);
      return;
    }
    case Behavior::kMergedWithNext: {
      std::vector<Span> joined;
      for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
        const bool joins = span->is_match && !was_match;
        was_match = span->is_match;
        if (joins && !joined.empty()) {
          joined.back().begin = span->begin;
        } else {
          joined.push_back(*span);
        }
      }
      for (const Span& span : joined) add(span);
      std::reverse(out->begin() + static_cast<ptrdiff_t>(first), out->end());
      return;
    }
  }
}

TextPiece PreTokenizer::with_spaces_marked(const Step& step, const TextPiece& piece,
                                           PieceArena* arena) {
  std::string text = replace_all(piece.text, " ", step.literal);
  size_t origin = replace_all(piece.text.substr(0, piece.origin_bytes), " ", step.literal).size();
  const bool may_prepend = step.prepend == Prepend::kAlways ||
                           (step.prepend == Prepend::kFirst && piece.origin_bytes > 0);
  if (may_prepend && text.compare(0, step.literal.size(), step.literal) != 0) {
    text.insert(0, step.literal);
    if (origin > 0) origin += step.literal.size();
  }
  return {arena->keep(std::move(text)), -1, origin};
}

void PreTokenizer::apply_step(const Step& step, const TextPiece& piece, PieceArena* arena,
                              std::vector<TextPiece>* out) {
  if (step.kind == Kind::kMetaspace) {
    const TextPiece marked = with_spaces_marked(step, piece, arena);
    if (step.split) {
      cut(step, marked, out);
    } else {
      out->push_back(marked);
    }
    return;
  }
  if (step.kind != Kind::kByteLevel) return cut(step, piece, out);
  TextPiece whole = piece;
  if (step.add_prefix_space && piece.text.front() != ' ') {
    const size_t origin = piece.origin_bytes == 0 ? 0 : piece.origin_bytes + 1;
    whole = {arena->keep(concat(" ", piece.text)), -1, origin};
  }
  const size_t first = out->size();
  if (step.use_regex) {
    cut(step, whole, out);
  } else {
    out->push_back(whole);
  }
  for (size_t index = first; index < out->size(); ++index) {
    TextPiece& word = (*out)[index];
    const std::string_view origin = word.text.substr(0, word.origin_bytes);
    word.origin_bytes = origin.empty() ? 0 : spell_bytes(origin).size();
    word.text = arena->keep(spell_bytes(word.text));
  }
}

void PreTokenizer::apply(std::vector<TextPiece>* pieces, PieceArena* arena) const {
  for (const Step& step : steps_) {
    std::vector<TextPiece> words;
    words.reserve(pieces->size());
    for (const TextPiece& piece : *pieces) {
      if (piece.token >= 0) {
        words.push_back(piece);
      } else if (!piece.text.empty()) {
        apply_step(step, piece, arena, &words);
      }
    }
    *pieces = std::move(words);
  }
}

}  // namespace tessera
