#include "engine/chat/unicode.h"

#include <string.h>

#include <algorithm>

#include "engine/chat/unicode_tables.h"

namespace tessera::jinja {
namespace {

constexpr char32_t kSigma = 0x3A3, kSmallSigma = 0x3C3, kFinalSigma = 0x3C2;

struct CaseTable {
  const CaseRun* runs;
  std::size_t run_count;
  const CaseMany* many;
  std::size_t many_count;
};

CaseTable lower_table() { return {kLowerRuns, kLowerRunCount, kLowerMany, kLowerManyCount}; }
CaseTable upper_table() { return {kUpperRuns, kUpperRunCount, kUpperMany, kUpperManyCount}; }
CaseTable title_table() { return {kTitleRuns, kTitleRunCount, kTitleMany, kTitleManyCount}; }

void append_changed(std::string& out, char32_t point, const CaseTable& table) {
  const CaseMany* many_end = table.many + table.many_count;
  const CaseMany* many =
      std::lower_bound(table.many, many_end, point,
                       [](const CaseMany& entry, char32_t wanted) { return entry.point < wanted; });
  if (many != many_end && many->point == point) {
    for (std::uint32_t part : many->to) {
      if (part != 0) append_point(out, part);
    }
    return;
  }
  const CaseRun* run_end = table.runs + table.run_count;
  const CaseRun* run =
      std::lower_bound(table.runs, run_end, point,
                       [](const CaseRun& entry, char32_t wanted) { return entry.last < wanted; });
  if (run != run_end && run->first <= point && (point - run->first) % run->step == 0) {
    point = static_cast<char32_t>(static_cast<std::int64_t>(point) + run->delta);
  }
  append_point(out, point);
}

// Whether a capital sigma that ends at `after` and starts at `before` ends a word.
bool sigma_is_final(std::string_view text, std::size_t before, std::size_t after) {
  bool cased_before = false;
  while (before > 0 && !cased_before) {
    const std::uint32_t flags = char_flags(previous_point(text, before));
    if (flags & kCaseIgnorable) continue;
    if (!(flags & kCased)) return false;
    cased_before = true;
  }
  if (!cased_before) return false;
  while (after < text.size()) {
    const std::uint32_t flags = char_flags(next_point(text, after));
    if (!(flags & kCaseIgnorable)) return !(flags & kCased);
  }
  return true;
}

void append_lower(std::string& out, std::string_view text, std::size_t start, std::size_t end,
                  char32_t point) {
  if (point == kSigma) {
    append_point(out, sigma_is_final(text, start, end) ? kFinalSigma : kSmallSigma);
  } else {
    append_changed(out, point, lower_table());
  }
}

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

}  // namespace

std::uint32_t char_flags(char32_t point) {
  const std::uint32_t wanted = (static_cast<std::uint32_t>(point) << 11) | 0x7FF;
  const std::uint32_t* run = std::upper_bound(kCharRuns, kCharRuns + kCharRunCount, wanted);
  return run[-1] & 0x7FF;
}

bool valid_utf8(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const auto lead = static_cast<unsigned char>(bytes[at]);
    if (lead < 0x80) {
      ++at;
      continue;
    }
    const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || at + length > bytes.size()) return false;
    char32_t point = lead & (0xFF >> (length + 1));
    for (std::size_t offset = 1; offset < length; ++offset) {
      if (!is_continuation(bytes[at + offset])) return false;
      point = point << 6 | (static_cast<unsigned char>(bytes[at + offset]) & 0x3F);
    }
    const char32_t least = length == 4 ? 0x10000 : length == 3 ? 0x800 : 0x80;
    if (point < least || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return false;
    at += length;
  }
  return true;
}

std::size_t count_points(std::string_view text) {
  std::size_t count = 0;
  for (char byte : text) count += is_continuation(byte) ? 0 : 1;
  return count;
}

char32_t next_point(std::string_view text, std::size_t& byte) {
  const auto lead = static_cast<unsigned char>(text[byte++]);
  if (lead < 0x80) return lead;
  char32_t point = lead >= 0xF0 ? lead & 0x07 : lead >= 0xE0 ? lead & 0x0F : lead & 0x1F;
  while (byte < text.size() && is_continuation(text[byte])) {
    point = point << 6 | (static_cast<unsigned char>(text[byte++]) & 0x3F);
  }
  return point;
}

char32_t previous_point(std::string_view text, std::size_t& byte) {
  do {
    --byte;
  } while (byte > 0 && is_continuation(text[byte]));
  std::size_t start = byte;
  return next_point(text, start);
}

void append_point(std::string& text, char32_t point) {
  if (point < 0x80) {
    text += static_cast<char>(point);
    return;
  }
  const int extra = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  const int mark = extra == 1 ? 0xC0 : extra == 2 ? 0xE0 : 0xF0;
  text += static_cast<char>(mark | static_cast<int>(point >> (6 * extra)));
  for (int shift = 6 * (extra - 1); shift >= 0; shift -= 6) {
    text += static_cast<char>(0x80 | static_cast<int>((point >> shift) & 0x3F));
  }
}

std::size_t byte_of_point(std::string_view text, std::size_t index) {
  std::size_t byte = 0;
  while (byte < text.size()) {
    if (!is_continuation(text[byte])) {
      if (index == 0) return byte;
      --index;
    }
    ++byte;
  }
  return text.size();
}

std::string to_lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t byte = 0; byte < text.size();) {
    const std::size_t start = byte;
    const char32_t point = next_point(text, byte);
    append_lower(out, text, start, byte, point);
  }
  return out;
}

std::string to_upper(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t byte = 0; byte < text.size();) {
    append_changed(out, next_point(text, byte), upper_table());
  }
  return out;
}

std::string to_title(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool in_word = false;
  for (std::size_t byte = 0; byte < text.size();) {
    const std::size_t start = byte;
    const char32_t point = next_point(text, byte);
    if (in_word) {
      append_lower(out, text, start, byte, point);
    } else {
      append_changed(out, point, title_table());
    }
    in_word = (char_flags(point) & kCased) != 0;
  }
  return out;
}

std::string to_capitalized(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t byte = 0; byte < text.size();) {
    const std::size_t start = byte;
    const char32_t point = next_point(text, byte);
    if (start == 0) {
      append_changed(out, point, title_table());
    } else {
      append_lower(out, text, start, byte, point);
    }
  }
  return out;
}

std::string to_swapped_case(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t byte = 0; byte < text.size();) {
    const std::size_t start = byte;
    const char32_t point = next_point(text, byte);
    const std::uint32_t flags = char_flags(point);
    if (flags & kUpper) {
      append_lower(out, text, start, byte, point);
    } else if (flags & kLower) {
      append_changed(out, point, upper_table());
    } else {
      append_point(out, point);
    }
  }
  return out;
}

std::size_t leading_space(std::string_view text) {
  std::size_t byte = 0;
  while (byte < text.size()) {
    std::size_t after = byte;
    if (!is_space(next_point(text, after))) break;
    byte = after;
  }
  return byte;
}

std::size_t trailing_space(std::string_view text) {
  std::size_t end = text.size();
  while (end > 0) {
    std::size_t before = end;
    if (!is_space(previous_point(text, before))) break;
    end = before;
  }
  return text.size() - end;
}

std::size_t find_first(std::string_view text, std::string_view part, std::size_t from_byte) {
  if (from_byte > text.size()) return std::string_view::npos;
  if (part.empty()) return from_byte;
  if (from_byte == text.size()) return std::string_view::npos;
  // memmem is linear for any input, where string_view::find is not.
  const void* hit =
      memmem(text.data() + from_byte, text.size() - from_byte, part.data(), part.size());
  if (hit == nullptr) return std::string_view::npos;
  return static_cast<std::size_t>(static_cast<const char*>(hit) - text.data());
}

std::size_t find_last(std::string_view text, std::string_view part) {
  if (part.size() > text.size()) return std::string_view::npos;
  if (part.empty()) return text.size();
  const std::string text_reversed(text.rbegin(), text.rend());
  const std::string part_reversed(part.rbegin(), part.rend());
  const std::size_t hit = find_first(text_reversed, part_reversed);
  if (hit == std::string_view::npos) return hit;
  return text.size() - hit - part.size();
}

}  // namespace tessera::jinja
