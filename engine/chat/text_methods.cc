// The methods of str.

#include <algorithm>

#include "engine/chat/bind.h"
#include "engine/chat/builtins.h"
#include "engine/chat/compare.h"
#include "engine/chat/evaluator.h"
#include "engine/chat/format.h"
#include "engine/chat/iterate.h"
#include "engine/chat/text_edit.h"
#include "engine/chat/unicode.h"

namespace tessera::jinja {
namespace {

Value list_of(Evaluator& run, const std::vector<std::string_view>& pieces) {
  std::vector<Value> items;
  run.meter().expect_room(pieces.size() * (sizeof(Value) + sizeof(Text)));
  for (std::string_view piece : pieces) items.push_back(make_text(run.meter(), std::string(piece)));
  return make_list(run.meter(), std::move(items));
}

const Text* text_or_none(const Value& value, const char* what) {
  return given(value) ? &text_argument(value, what) : nullptr;
}

template <std::string (*change)(std::string_view)>
Value changed(Evaluator& run, const Value& self, const Arguments& arguments) {
  bind_positional("this method", arguments, 0, 0);
  // A change of case may make three code points of one.
  run.meter().expect_room(self.text()->bytes.size() * 3);
  run.meter().step(static_cast<std::int64_t>(self.text()->bytes.size() / 8));
  return make_text(run.meter(), change(self.text()->bytes));
}

template <Side side>
Value strip(Evaluator& run, const Value& self, const Arguments& arguments) {
  const std::vector<Value> bound = bind_positional("strip", arguments, 0, 1);
  const Text* chars = text_or_none(bound[0], "strip's argument");
  return make_text(run.meter(),
                   std::string(stripped(run.meter(), self.text()->bytes, side, chars)));
}

template <bool from_right>
Value split_text(Evaluator& run, const Value& self, const Arguments& arguments) {
  const std::vector<Value> bound = bind("split", arguments, {"sep", "maxsplit"});
  const Text* separator = text_or_none(bound[0], "split's separator");
  const Integer most = integer_argument(bound[1], -1, "maxsplit");
  const std::string& bytes = self.text()->bytes;
  run.meter().step(static_cast<std::int64_t>(bytes.size() / 64));
  return list_of(run, from_right ? split_right(run.meter(), bytes, separator, most)
                                 : split(run.meter(), bytes, separator, most));
}

Value splitlines(Evaluator& run, const Value& self, const Arguments& arguments) {
  const std::vector<Value> bound = bind("splitlines", arguments, {"keepends"});
  run.meter().step(static_cast<std::int64_t>(self.text()->bytes.size() / 64));
  return list_of(run, split_lines(run.meter(), self.text()->bytes, flag_argument(bound[0])));
}

// The part of a text that start and stop arguments choose, and where it begins.
struct Window {
  std::string_view text;
  std::int64_t start;  // code points before it
  bool exists;         // false when start lies behind the end
};

Window window(Meter& meter, const Text& text, const Value& start, const Value& stop) {
  const auto length = static_cast<Integer>(text.length);
  const auto bound = [&](const Value& value, Integer fallback) {
    if (!given(value)) return fallback;
    Integer index = integer_argument(value, fallback, "a slice index");
    if (index < 0) index = std::max<Integer>(index + length, 0);
    return index;
  };
  const Integer first = bound(start, 0);
  const Integer last = std::min(bound(stop, length), length);
  if (first > length || first > last) return {"", 0, false};
  meter.step(static_cast<std::int64_t>(text.bytes.size() / 64));
  const std::size_t from = byte_of_point(text.bytes, static_cast<std::size_t>(first));
  const std::string_view rest = std::string_view(text.bytes).substr(from);
  return {rest.substr(0, byte_of_point(rest, static_cast<std::size_t>(last - first))),
          static_cast<std::int64_t>(first), true};
}

// find, rfind, index and rindex: the code point index of the argument, or -1.
std::int64_t place_of(Evaluator& run, const Value& self, const Arguments& arguments, bool last) {
  const std::vector<Value> bound = bind_positional("find", arguments, 1, 3);
  const Text& part = text_argument(bound[0], "find's argument");
  const Window in = window(run.meter(), *self.text(), bound[1], bound[2]);
  if (!in.exists) return -1;
  const std::size_t hit = last ? find_last(in.text, part.bytes) : find_first(in.text, part.bytes);
  if (hit == std::string_view::npos) return -1;
  return in.start + static_cast<std::int64_t>(count_points(in.text.substr(0, hit)));
}

template <bool last>
Value find(Evaluator& run, const Value& self, const Arguments& arguments) {
  return make_int(place_of(run, self, arguments, last));
}

template <bool last>
Value index(Evaluator& run, const Value& self, const Arguments& arguments) {
  const std::int64_t place = place_of(run, self, arguments, last);
  if (place < 0) fail("substring not found");
  return make_int(place);
}

Value count(Evaluator& run, const Value& self, const Arguments& arguments) {
  const std::vector<Value> bound = bind_positional("count", arguments, 1, 3);
  const Text& part = text_argument(bound[0], "count's argument");
  const Window in = window(run.meter(), *self.text(), bound[1], bound[2]);
  if (!in.exists) return make_int(0);
  if (part.bytes.empty()) return make_int(static_cast<std::int64_t>(count_points(in.text)) + 1);
  std::int64_t found = 0;
  for (std::size_t at = 0; (at = find_first(in.text, part.bytes, at)) != std::string_view::npos;
       at += part.bytes.size()) {
    run.meter().step();
    ++found;
  }
  return make_int(found);
}

template <bool at_end>
Value affix(Evaluator& run, const Value& self, const Arguments& arguments) {
  const std::vector<Value> bound = bind_positional("startswith", arguments, 1, 3);
  const Window in = window(run.meter(), *self.text(), bound[1], bound[2]);
  const auto matches = [&](const Value& candidate) {
    const std::string& part = text_argument(candidate, "startswith's argument").bytes;
    return in.exists && (at_end ? in.text.ends_with(part) : in.text.starts_with(part));
  };
  const Sequence* several = bound[0].sequence();
  if (several == nullptr || several->form == Sequence::Form::kList) return matches(bound[0]);
  run.meter().step_over_items(several->items.size());
  return std::any_of(several->items.begin(), several->items.end(), matches);
}

template <bool at_end>
Value remove_affix(Evaluator& run, const Value& self, const Arguments& arguments) {
  const std::vector<Value> bound = bind_positional("removeprefix", arguments, 1, 1);
  const std::string& part = text_argument(bound[0], "removeprefix's argument").bytes;
  std::string_view text = self.text()->bytes;
  if (at_end && text.ends_with(part)) text.remove_suffix(part.size());
  if (!at_end && text.starts_with(part)) text.remove_prefix(part.size());
  return make_text(run.meter(), std::string(text));
}

Value replace(Evaluator& run, const Value& self, const Arguments& arguments) {
  const std::vector<Value> bound = bind_positional("replace", arguments, 2, 3);
  const Text& old = text_argument(bound[0], "replace's first argument");
  const Text& fresh = text_argument(bound[1], "replace's second argument");
  const Integer most = integer_argument(bound[2], -1, "replace's count");
  return make_text(run.meter(), replaced(run.meter(), *self.text(), old.bytes, fresh.bytes, most));
}

Value join(Evaluator& run, const Value& self, const Arguments& arguments) {
  const std::vector<Value> bound = bind_positional("join", arguments, 1, 1);
  std::string out;
  bool first = true;
  for (const Value& item : items_of(run.meter(), bound[0])) {
    if (!first) out += self.text()->bytes;
    first = false;
    out += text_argument(item, "an item to join").bytes;
    run.meter().expect_room(out.size());
  }
  return make_text(run.meter(), std::move(out));
}

template <bool from_right>
Value partition(Evaluator& run, const Value& self, const Arguments& arguments) {
  const std::vector<Value> bound = bind_positional("partition", arguments, 1, 1);
  const std::string& mark = text_argument(bound[0], "partition's separator").bytes;
  if (mark.empty()) fail("empty separator");
  const std::string& text = self.text()->bytes;
  const std::size_t hit = from_right ? find_last(text, mark) : find_first(text, mark);
  const bool found = hit != std::string::npos;
  const std::string head = found ? text.substr(0, hit) : from_right ? "" : text;
  const std::string tail = found ? text.substr(hit + mark.size()) : from_right ? text : "";
  return make_tuple(run.meter(), {make_text(run.meter(), head),
                                  make_text(run.meter(), found ? mark : std::string()),
                                  make_text(run.meter(), tail)});
}

template <Side side>
Value justify(Evaluator& run, const Value& self, const Arguments& arguments) {
  const std::vector<Value> bound = bind_positional("center", arguments, 1, 2);
  char32_t fill = ' ';
  if (!bound[1].is_missing()) {
    const Text& text = text_argument(bound[1], "the fill character");
    if (text.length != 1) fail("The fill character must be exactly one character long");
    std::size_t byte = 0;
    fill = next_point(text.bytes, byte);
  }
  const Integer width = integer_argument(bound[0], 0, "the width");
  return make_text(run.meter(), justified(run.meter(), *self.text(), side, width, fill));
}

Value zfill(Evaluator& run, const Value& self, const Arguments& arguments) {
  const std::vector<Value> bound = bind_positional("zfill", arguments, 1, 1);
  const Integer width = integer_argument(bound[0], 0, "the width");
  std::string out = justified(run.meter(), *self.text(), Side::kRight, width, '0');
  const std::size_t zeros = out.size() - self.text()->bytes.size();
  if (zeros > 0 && zeros < out.size() && (out[zeros] == '+' || out[zeros] == '-')) {
    std::swap(out[0], out[zeros]);
  }
  return make_text(run.meter(), std::move(out));
}

// Whether every code point has one of the flags; `empty` is the answer for an empty text.
template <std::uint32_t flags, bool empty>
Value all_have(Evaluator& run, const Value& self, const Arguments& arguments) {
  bind_positional("this method", arguments, 0, 0);
  const std::string& text = self.text()->bytes;
  run.meter().step(static_cast<std::int64_t>(text.size() / 16));
  for (std::size_t byte = 0; byte < text.size();) {
    if (!(char_flags(next_point(text, byte)) & flags)) return false;
  }
  return empty || !text.empty();
}

template <std::uint32_t wanted, std::uint32_t other>
Value is_cased(Evaluator& run, const Value& self, const Arguments& arguments) {
  bind_positional("this method", arguments, 0, 0);
  return text_is_cased(run.meter(), *self.text(), wanted, other);
}

Value isascii(Evaluator&, const Value& self, const Arguments& arguments) {
  bind_positional("isascii", arguments, 0, 0);
  return self.text()->ascii();
}

Value format(Evaluator& run, const Value& self, const Arguments& arguments) {
  return format_braces(run.meter(), *self.text(), arguments);
}

constexpr std::uint32_t kAnyNumber = kDecimal | kDigit | kNumeric;

constexpr NamedBuiltin kMethods[] = {
    {"capitalize", changed<to_capitalized>},
    {"center", justify<Side::kBoth>},
    {"count", count},
    {"endswith", affix<true>},
    {"find", find<false>},
    {"format", format},
    {"index", index<false>},
    {"isalnum", all_have<kAlpha | kAnyNumber, false>},
    {"isalpha", all_have<kAlpha, false>},
    {"isascii", isascii},
    {"isdecimal", all_have<kDecimal, false>},
    {"isdigit", all_have<kDigit, false>},
    {"islower", is_cased<kLower, kUpper | kTitle>},
    {"isnumeric", all_have<kNumeric, false>},
    {"isprintable", all_have<kPrintable, true>},
    {"isspace", all_have<kSpace, false>},
    {"isupper", is_cased<kUpper, kLower | kTitle>},
    {"join", join},
    {"ljust", justify<Side::kLeft>},
    {"lower", changed<to_lower>},
    {"lstrip", strip<Side::kLeft>},
    {"partition", partition<false>},
    {"removeprefix", remove_affix<false>},
    {"removesuffix", remove_affix<true>},
    {"replace", replace},
    {"rfind", find<true>},
    {"rindex", index<true>},
    {"rjust", justify<Side::kRight>},
    {"rpartition", partition<true>},
    {"rsplit", split_text<true>},
    {"rstrip", strip<Side::kRight>},
    {"split", split_text<false>},
    {"splitlines", splitlines},
    {"startswith", affix<false>},
    {"strip", strip<Side::kBoth>},
    {"swapcase", changed<to_swapped_case>},
    {"title", changed<to_title>},
    {"upper", changed<to_upper>},
    {"zfill", zfill},
};

}  // namespace

const NamedBuiltin* find_text_method(std::string_view name) { return find_in(kMethods, name); }

}  // namespace tessera::jinja
