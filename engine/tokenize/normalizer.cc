#include "engine/tokenize/normalizer.h"

#include <algorithm>

#include "engine/tokenize/text.h"
#include "engine/tokenize/unicode.h"
#include "engine/tokenize/utf8.h"

namespace tessera {
namespace {

constexpr int kMaxDepth = 8;
constexpr size_t kMaxSteps = 32;
constexpr size_t kMaxText = 1024;  // bytes of a prepended or replacing text
// How many times longer text may become: K forms 12 and Replace " " by a 3-byte mark are the usual.
constexpr size_t kMaxGrowth = 256;

TextPiece stripped(const TextPiece& piece, bool left, bool right) {
  const CharClasses& classes = CharClasses::get();
  const std::string_view text = piece.text;
  size_t begin = 0, end = text.size();
  while (left && begin < end) {
    const CodePoint code = code_point_at(text, begin);
    if ((classes[code.value] & kWhiteSpace) == 0) break;
    begin += code.bytes;
  }
  while (right && end > begin) {
    const size_t last = previous_boundary(text, end);
    if ((classes[code_point_at(text, last).value] & kWhiteSpace) == 0) break;
    end = last;
  }
  return part_of(piece, begin, end);
}

}  // namespace

Normalizer Normalizer::read(const ConfigNode& node) {
  Normalizer normalizer;
  if (node.is_absent()) return normalizer;
  normalizer.read_step(node, 0);
  normalizer.bound_growth(node);
  return normalizer;
}

void Normalizer::read_step(const ConfigNode& node, int depth) {
  if (!node.errors().ok()) return;
  const std::string type = node["type"].text();
  Step step{.kind = Kind::kNfc};
  if (type == "Sequence") {
    if (depth == kMaxDepth) return node.refuse("nested too deeply");
    const ConfigNode list = node["normalizers"];
    for (size_t index = 0; index < list.size(); ++index) read_step(list.at(index), depth + 1);
    return;
  }
  if (steps_.size() == kMaxSteps) return node.refuse(concat("more than ", kMaxSteps, " steps"));
  if (type == "NFC") {
    step.kind = Kind::kNfc;
  } else if (type == "NFD") {
    step.kind = Kind::kNfd;
  } else if (type == "NFKC") {
    step.kind = Kind::kNfkc;
  } else if (type == "NFKD") {
    step.kind = Kind::kNfkd;
  } else if (type == "Lowercase") {
    step.kind = Kind::kLowercase;
  } else if (type == "Prepend") {
    step.kind = Kind::kPrepend;
    step.content = node["prepend"].text();
  } else if (type == "Replace") {
    step.kind = Kind::kReplace;
    const ConfigNode pattern = node["pattern"];
    if (pattern.is_object() && !pattern["Regex"].is_absent()) {
      return pattern["Regex"].refuse_value("is not supported; only a \"String\" pattern is");
    }
    step.pattern = pattern["String"].text();
    step.content = node["content"].text();
    if (step.pattern.empty()) return pattern["String"].refuse("must not be empty");
  } else if (type == "Strip") {
    step.kind = Kind::kStrip;
    step.left = node["strip_left"].flag();
    step.right = node["strip_right"].flag();
  } else {
    return node["type"].refuse_value("is not a supported normalizer");
  }
  if (std::max(step.content.size(), step.pattern.size()) > kMaxText) {
    return node.refuse(concat("a text of more than ", kMaxText, " bytes"));
  }
  steps_.push_back(std::move(step));
}

void Normalizer::bound_growth(const ConfigNode& node) const {
  size_t growth = 1;
  for (const Step& step : steps_) {
    if (step.kind == Kind::kReplace) {
      growth *= std::max<size_t>(
          1, (step.content.size() + step.pattern.size() - 1) / step.pattern.size());
    } else if (step.kind == Kind::kPrepend) {
      growth *= 1 + step.content.size();  // of a piece of one byte
    } else if (step.kind == Kind::kNfkc || step.kind == Kind::kNfkd) {
      growth *= 12;
    } else if (step.kind == Kind::kNfd) {
      growth *= 3;
    }
    if (growth > kMaxGrowth) {
      return node.refuse(concat("may make text more than ", kMaxGrowth, " times longer"));
    }
  }
}

TextPiece Normalizer::apply_step(const Step& step, const TextPiece& piece, PieceArena* arena) {
  const auto rewritten = [&](auto rewrite) {
    const std::string_view text = arena->keep(rewrite(piece.text));
    if (piece.origin_bytes == 0) return TextPiece{text, -1, 0};
    // What the origin's own bytes become; at least one character, which may have absorbed marks.
    size_t origin = rewrite(piece.text.substr(0, piece.origin_bytes)).size();
    if (!text.empty()) origin = std::max<size_t>(origin, code_point_at(text, 0).bytes);
    return TextPiece{text, -1, std::min(origin, text.size())};
  };
  const auto normal = [&](NormalForm form) {
    return rewritten([form](std::string_view text) { return normal_form(form, text); });
  };
  switch (step.kind) {
    case Kind::kNfc:
      return normal(NormalForm::kNfc);
    case Kind::kNfd:
      return normal(NormalForm::kNfd);
    case Kind::kNfkc:
      return normal(NormalForm::kNfkc);
    case Kind::kNfkd:
      return normal(NormalForm::kNfkd);
    case Kind::kLowercase:
      return rewritten([](std::string_view text) { return lower_case(text); });
    case Kind::kPrepend: {
      if (piece.text.empty()) return piece;
      const size_t origin = piece.origin_bytes == 0 ? 0 : piece.origin_bytes + step.content.size();
      return {arena->keep(concat(step.content, piece.text)), -1, origin};
    }
    case Kind::kReplace:
      if (piece.text.find(step.pattern) == std::string_view::npos) return piece;
      return rewritten(
          [&](std::string_view text) { return replace_all(text, step.pattern, step.content); });
    case Kind::kStrip:
      return stripped(piece, step.left, step.right);
  }
  return piece;
}

TextPiece Normalizer::apply(const TextPiece& piece, PieceArena* arena) const {
  TextPiece result = piece;
  for (const Step& step : steps_) result = apply_step(step, result, arena);
  return result;
}

std::string Normalizer::apply(std::string_view text) const {
  PieceArena arena;
  return std::string(apply({text, -1, 0}, &arena).text);
}

}  // namespace tessera
