#include "engine/chat/text_edit.h"

#include <algorithm>

#include "engine/chat/unicode.h"

namespace tessera::jinja {
namespace {

// Whether the code point at `from` is among chars.
class Trimmed {
 public:
  Trimmed(Meter& meter, const Text* chars) : meter_(meter) {
    if (chars == nullptr) return;
    for (std::size_t byte = 0; byte < chars->bytes.size();) {
      chars_.push_back(next_point(chars->bytes, byte));
    }
    meter_.step(static_cast<std::int64_t>(chars_.size() / 16));
    std::sort(chars_.begin(), chars_.end());
  }
  bool operator()(char32_t point) const {
    return std::binary_search(chars_.begin(), chars_.end(), point);
  }

 private:
  Meter& meter_;
  std::u32string chars_;
};

bool is_line_end(char32_t point) {
  return (point >= 0x0A && point <= 0x0D) || (point >= 0x1C && point <= 0x1E) || point == 0x85 ||
         point == 0x2028 || point == 0x2029;
}

// Cuts `text` at separators found from the left; `sink` gets each piece.
void cut(Meter& meter, std::string_view text, std::string_view separator, Integer most,
         std::vector<std::string_view>& pieces) {
  if (separator.empty()) fail("empty separator");
  std::size_t at = 0;
  while (most != 0) {
    meter.step();
    const std::size_t hit = find_first(text, separator, at);
    if (hit == std::string_view::npos) break;
    pieces.push_back(text.substr(at, hit - at));
    at = hit + separator.size();
    if (most > 0) --most;
  }
  pieces.push_back(text.substr(at));
}

}  // namespace

std::string_view stripped(Meter& meter, std::string_view text, Side side, const Text* chars) {
  meter.step(static_cast<std::int64_t>(text.size() / 64));
  if (chars == nullptr) {
    if (side != Side::kRight) text.remove_prefix(leading_space(text));
    if (side != Side::kLeft) text.remove_suffix(trailing_space(text));
    return text;
  }
  meter.step(static_cast<std::int64_t>(text.size() / 8));
  const Trimmed trimmed(meter, chars);
  while (side != Side::kRight && !text.empty()) {
    std::size_t after = 0;
    if (!trimmed(next_point(text, after))) break;
    text.remove_prefix(after);
  }
  while (side != Side::kLeft && !text.empty()) {
    std::size_t before = text.size();
    if (!trimmed(previous_point(text, before))) break;
    text = text.substr(0, before);
  }
  return text;
}

std::string replaced(Meter& meter, const Text& text, std::string_view old, std::string_view fresh,
                     Integer count) {
  const std::string& bytes = text.bytes;
  std::string out;
  std::size_t at = 0;
  const auto add = [&](std::string_view part) {
    meter.step(1 + static_cast<std::int64_t>(part.size() / 64));
    meter.expect_room(2 * (out.size() + part.size()));
    out += part;
  };
  while (count != 0) {
    const std::size_t hit = find_first(bytes, old, at);
    if (hit == std::string::npos) break;
    add(std::string_view(bytes).substr(at, hit - at));
    add(fresh);
    at = hit + old.size();
    if (count > 0) --count;
    if (!old.empty()) continue;
    // An empty pattern stands before every code point and at the end.
    if (at == bytes.size()) break;
    const std::size_t start = at;
    next_point(bytes, at);
    add(std::string_view(bytes).substr(start, at - start));
  }
  add(std::string_view(bytes).substr(at));
  return out;
}

std::vector<std::string_view> split(Meter& meter, std::string_view text, const Text* separator,
                                    Integer most) {
  std::vector<std::string_view> pieces;
  if (separator != nullptr) {
    cut(meter, text, separator->bytes, most, pieces);
    return pieces;
  }
  text.remove_prefix(leading_space(text));
  while (!text.empty()) {
    meter.step();
    if (most == 0) {
      pieces.push_back(text);
      break;
    }
    std::size_t end = 0;
    while (end < text.size()) {
      std::size_t after = end;
      if (is_space(next_point(text, after))) break;
      end = after;
    }
    pieces.push_back(text.substr(0, end));
    text.remove_prefix(end);
    text.remove_prefix(leading_space(text));
    if (most > 0) --most;
  }
  return pieces;
}

std::vector<std::string_view> split_right(Meter& meter, std::string_view text,
                                          const Text* separator, Integer most) {
  std::vector<std::string_view> pieces;
  if (separator != nullptr) {
    // Searching backwards is searching the reversed text; pieces are mapped back by their places.
    const std::string reversed(text.rbegin(), text.rend());
    const std::string mark(separator->bytes.rbegin(), separator->bytes.rend());
    meter.expect_room(reversed.size());
    cut(meter, reversed, mark, most, pieces);
    for (std::string_view& piece : pieces) {
      const auto from_end = static_cast<std::size_t>(piece.data() - reversed.data());
      piece = text.substr(text.size() - from_end - piece.size(), piece.size());
    }
  } else {
    text.remove_suffix(trailing_space(text));
    while (!text.empty()) {
      meter.step();
      if (most == 0) {
        pieces.push_back(text);
        break;
      }
      std::size_t start = text.size();
      while (start > 0) {
        std::size_t before = start;
        if (is_space(previous_point(text, before))) break;
        start = before;
      }
      pieces.push_back(text.substr(start));
      text = text.substr(0, start);
      text.remove_suffix(trailing_space(text));
      if (most > 0) --most;
    }
  }
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

std::vector<std::string_view> split_lines(Meter& meter, std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  std::size_t start = 0;
  for (std::size_t byte = 0; byte < text.size();) {
    const std::size_t end = byte;
    const char32_t point = next_point(text, byte);
    if (!is_line_end(point)) continue;
    if (point == '\r' && byte < text.size() && text[byte] == '\n') ++byte;
    meter.step();
    lines.push_back(text.substr(start, (keep_ends ? byte : end) - start));
    start = byte;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

bool text_is_cased(Meter& meter, const Text& text, std::uint32_t wanted, std::uint32_t other) {
  meter.step(static_cast<std::int64_t>(text.bytes.size() / 16));
  bool found = false;
  for (std::size_t byte = 0; byte < text.bytes.size();) {
    const std::uint32_t flags = char_flags(next_point(text.bytes, byte));
    if (flags & other) return false;
    found = found || (flags & wanted);
  }
  return found;
}

std::string justified(Meter& meter, const Text& text, Side side, Integer width, char32_t fill) {
  const auto length = static_cast<Integer>(text.length);
  if (width <= length) return text.bytes;
  const Integer pad = width - length;
  meter.expect_room(pad > (Integer{1} << 40)
                        ? std::size_t{1} << 60
                        : static_cast<std::size_t>(pad) * 4 + text.bytes.size());
  // Python puts the odd one on the left when the width is odd too.
  const Integer left = side == Side::kRight  ? pad
                       : side == Side::kLeft ? 0
                                             : pad / 2 + (pad & width & 1);
  std::string out;
  for (Integer done = 0; done < left; ++done) append_point(out, fill);
  out += text.bytes;
  for (Integer done = left; done < pad; ++done) append_point(out, fill);
  return out;
}

}  // namespace tessera::jinja
