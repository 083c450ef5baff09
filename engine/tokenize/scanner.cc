#include "engine/tokenize/scanner.h"

#include <algorithm>

#include "engine/tokenize/unicode.h"
#include "engine/tokenize/utf8.h"

namespace tessera {
namespace {

constexpr std::string_view kGpt2Regex =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekkenRegex =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

// Tekken's two letter sets; they overlap in kOtherLetter and kMark.
constexpr uint16_t kHead = kUpperCase | kOtherLetter | kMark;
constexpr uint16_t kBody = kLowerCase | kOtherLetter | kMark;

// One text being scanned. Methods that look for something return where it ends, or `at` itself (or
// kNone where that is a possible end) if it is not there.
struct Scan {
  static constexpr size_t kNone = static_cast<size_t>(-1);

  const CharClasses& classes;
  std::string_view text;

  uint16_t mask(size_t at) const {
    return at < text.size() ? classes[code_point_at(text, at).value] : 0;
  }
  bool has(size_t at, uint16_t any) const { return (mask(at) & any) != 0; }
  size_t next(size_t at) const { return at + code_point_at(text, at).bytes; }
  bool is_newline(size_t at) const {
    return at < text.size() && (text[at] == '\r' || text[at] == '\n');
  }

  size_t run(size_t at, uint16_t any) const {
    while (at < text.size()) {
      const CodePoint code = code_point_at(text, at);
      if ((classes[code.value] & any) == 0) break;
      at += code.bytes;
    }
    return at;
  }
  // A run of none of the classes.
  size_t run_without(size_t at, uint16_t none) const {
    while (at < text.size()) {
      const CodePoint code = code_point_at(text, at);
      if ((classes[code.value] & none) != 0) break;
      at += code.bytes;
    }
    return at;
  }

  size_t contraction(size_t at, bool any_case) const;
  size_t marked_run(size_t at, bool with_newlines, bool with_slash) const;
  size_t up_to_last_newline(size_t at) const;
  size_t white_space(size_t at) const;
  size_t gpt2(size_t at) const;
  size_t llama3(size_t at, int max_digits) const;
  size_t tekken(size_t at) const;
  size_t head_then_body(size_t at) const;
};

// 's|'t|'re|'ve|'m|'ll|'d
size_t Scan::contraction(size_t at, bool any_case) const {
  if (text[at] != '\'') return at;
  const auto letter = [&](size_t offset) -> char {
    if (at + offset >= text.size()) return 0;
    const char byte = text[at + offset];
    return any_case && byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte;
  };
  const char first = letter(1), second = letter(2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
  if ((first == 'r' || first == 'v') && second == 'e') return at + 3;
  if (first == 'l' && second == 'l') return at + 3;
  // U+017F, the long s, is a case of s.
  if (any_case && text.substr(at + 1, 2) == "\xC5\xBF") return at + 3;
  return at;
}

// " ?[^\s\p{L}\p{N}]+", then "[\r\n]*" or "[\r\n/]*"
size_t Scan::marked_run(size_t at, bool with_newlines, bool with_slash) const {
  const size_t start = text[at] == ' ' ? at + 1 : at;
  size_t end = run_without(start, kSpace | kLetter | kNumber);
  if (end == start) return at;
  while (with_newlines &&
         (is_newline(end) || (with_slash && end < text.size() && text[end] == '/')))
    ++end;
  return end;
}

// "\s*[\r\n]+": up to the last newline of the run of white space
size_t Scan::up_to_last_newline(size_t at) const {
  size_t found = at;
  const size_t end = run(at, kSpace);
  for (size_t look = end; look > at; --look) {
    if (is_newline(look - 1)) {
      found = look;
      break;
    }
  }
  return found;
}

// "\s+(?!\S)|\s+": a run before other text leaves its last character to that text
size_t Scan::white_space(size_t at) const {
  const size_t end = run(at, kSpace);
  if (end == text.size()) return end;
  const size_t last = previous_boundary(text, end);
  return last > at ? last : end;
}

size_t Scan::gpt2(size_t at) const {
  size_t end = contraction(at, false);
  if (end > at) return end;
  const size_t start = text[at] == ' ' ? at + 1 : at;
  end = run(start, kLetter);
  if (end > start) return end;
  end = run(start, kNumber);
  if (end > start) return end;
  end = marked_run(at, false, false);
  if (end > at) return end;
  return white_space(at);
}

size_t Scan::llama3(size_t at, int max_digits) const {
  size_t end = contraction(at, true);
  if (end > at) return end;
  const bool may_lead = !is_newline(at) && !has(at, kLetter | kNumber);
  const size_t start = may_lead ? next(at) : at;
  end = run(start, kLetter);
  if (end > start) return end;
  end = at;
  for (int digits = 0; digits < max_digits && has(end, kNumber); ++digits) end = next(end);
  if (end > at) return end;
  end = marked_run(at, true, false);
  if (end > at) return end;
  end = up_to_last_newline(at);
  if (end > at) return end;
  return white_space(at);
}

// "[head]*[body]+": greedy, giving heads back until one of them can be the body
size_t Scan::head_then_body(size_t at) const {
  const size_t middle = run(at, kHead);
  const size_t end = run(middle, kBody);
  if (end > middle) return end;
  for (size_t look = middle; look > at;) {
    const size_t last = previous_boundary(text, look);
    if (has(last, kBody)) return look;
    look = last;
  }
  return kNone;
}

size_t Scan::tekken(size_t at) const {
  const bool may_lead = !is_newline(at) && !has(at, kLetter | kNumber);
  const size_t after_lead = may_lead ? next(at) : kNone;
  for (const size_t start : {after_lead, at}) {
    const size_t end = start == kNone ? kNone : head_then_body(start);
    if (end != kNone) return end;
  }
  for (const size_t start : {after_lead, at}) {
    if (start == kNone) continue;
    const size_t middle = run(start, kHead);
    if (middle > start) return run(middle, kBody);
  }
  if (has(at, kNumber)) return next(at);
  size_t end = marked_run(at, true, true);
  if (end > at) return end;
  end = up_to_last_newline(at);
  if (end > at) return end;
  return white_space(at);
}

}  // namespace

std::optional<ScanPattern> known_pattern(std::string_view regex) {
  if (regex == kGpt2Regex) return ScanPattern::kGpt2;
  if (regex == kLlama3Regex) return ScanPattern::kLlama3;
  if (regex == kQwen2Regex) return ScanPattern::kQwen2;
  if (regex == kTekkenRegex) return ScanPattern::kTekken;
  return std::nullopt;
}

size_t scan(ScanPattern pattern, std::string_view text, size_t at) {
  const Scan here{CharClasses::get(), text};
  switch (pattern) {
    case ScanPattern::kGpt2:
      return here.gpt2(at);
    case ScanPattern::kLlama3:
      return here.llama3(at, 3);
    case ScanPattern::kQwen2:
      return here.llama3(at, 1);
    case ScanPattern::kTekken:
      return here.tekken(at);
  }
  return text.size();
}

}  // namespace tessera
