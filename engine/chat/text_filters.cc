// Filters that make text of text.

#include <algorithm>

#include "engine/chat/arithmetic.h"
#include "engine/chat/bind.h"
#include "engine/chat/evaluator.h"
#include "engine/chat/filter_tables.h"
#include "engine/chat/format.h"
#include "engine/chat/print.h"
#include "engine/chat/text_edit.h"
#include "engine/chat/unicode.h"

namespace tessera::jinja {
namespace {

// The input as text: itself, or its str().
Value soft_text(Evaluator& run, const Value& input) {
  return input.text() != nullptr ? input : make_text(run.meter(), to_str(run.meter(), input));
}

template <std::string (*change)(std::string_view)>
Value changed(Evaluator& run, const Value& input, const Arguments& arguments) {
  bind("this filter", arguments, {});
  const Value text = soft_text(run, input);
  run.meter().expect_room(text.text()->bytes.size() * 3);
  run.meter().step(static_cast<std::int64_t>(text.text()->bytes.size() / 8));
  return make_text(run.meter(), change(text.text()->bytes), text.text()->markup);
}

// Not str.title: words begin after white space, hyphens and opening brackets only.
std::string titled_words(std::string_view text) {
  std::string out;
  std::size_t word = 0;
  const auto add_word = [&](std::size_t end) {
    if (word == end) return;
    std::size_t first = word;
    next_point(text, first);
    out += to_upper(text.substr(word, first - word)) + to_lower(text.substr(first, end - first));
  };
  for (std::size_t byte = 0; byte < text.size();) {
    const std::size_t start = byte;
    const char32_t point = next_point(text, byte);
    const bool gap = point == '-' || point == '(' || point == '{' || point == '[' || point == '<' ||
                     is_space(point);
    if (!gap) continue;
    add_word(start);
    out += text.substr(start, byte - start);
    word = byte;
  }
  add_word(text.size());
  return out;
}

Value trim(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("trim", arguments, {"chars"});
  const Value text = soft_text(run, input);
  const Text* chars = given(bound[0]) ? &text_argument(bound[0], "trim's argument") : nullptr;
  return make_text(run.meter(),
                   std::string(stripped(run.meter(), text.text()->bytes, Side::kBoth, chars)),
                   text.text()->markup);
}

Value replace(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("replace", arguments, {"old", "new", "count"}, 2);
  const Value text = soft_text(run, input);
  const Integer most = given(bound[2]) ? integer_argument(bound[2], -1, "replace's count") : -1;
  return make_text(run.meter(), replaced(run.meter(), *text.text(), to_str(run.meter(), bound[0]),
                                         to_str(run.meter(), bound[1]), most));
}

Value indent(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("indent", arguments, {"width", "first", "blank"});
  if (const Undefined* undefined = input.undefined()) fail_undefined(*undefined);
  const Text& text = text_argument(input, "the input of indent");
  std::string margin;
  if (const Text* width = bound[0].text()) {
    run.meter().step_over_bytes(width->bytes.size());
    margin = width->bytes;
  } else {
    const Integer columns = integer_argument(bound[0], 4, "indent's width");
    if (columns > 10'000) fail_limit("indent's width is beyond 10000");
    margin.assign(columns > 0 ? static_cast<std::size_t>(columns) : 0, ' ');
  }
  const bool blank = flag_argument(bound[2]);
  std::string out = flag_argument(bound[1]) ? margin : "";
  // The newline makes the last line count even when it is empty.
  const std::string lines = text.bytes + "\n";
  bool later = false;
  for (std::string_view line : split_lines(run.meter(), lines, false)) {
    run.meter().expect_room(2 * (out.size() + margin.size() + line.size()));
    if (later) out += "\n";
    if (later && (blank || !line.empty())) out += margin;
    out += line;
    later = true;
  }
  return make_text(run.meter(), std::move(out), text.markup);
}

Value string(Evaluator& run, const Value& input, const Arguments& arguments) {
  bind("string", arguments, {});
  return soft_text(run, input);
}

Value safe(Evaluator& run, const Value& input, const Arguments& arguments) {
  bind("safe", arguments, {});
  return make_text(run.meter(), to_str(run.meter(), input), true);
}

Value escape(Evaluator& run, const Value& input, const Arguments& arguments) {
  bind("escape", arguments, {});
  if (input.text() != nullptr && input.text()->markup) return input;
  const std::string text = to_str(run.meter(), input);
  run.meter().expect_room(text.size() * 5);
  return make_text(run.meter(), escape_html(text), true);
}

Value force_escape(Evaluator& run, const Value& input, const Arguments& arguments) {
  bind("forceescape", arguments, {});
  const std::string text = to_str(run.meter(), input);
  run.meter().expect_room(text.size() * 5);
  return make_text(run.meter(), escape_html(text), true);
}

Value format(Evaluator& run, const Value& input, const Arguments& arguments) {
  const Value text = soft_text(run, input);
  if (arguments.named.empty()) {
    return format_percent(run.meter(), *text.text(), make_tuple(run.meter(), arguments.positional));
  }
  if (!arguments.positional.empty()) {
    fail("can't handle positional and keyword arguments at the same time");
  }
  Dict values;
  for (const auto& [name, value] : arguments.named) {
    values.set(run.meter(), make_text(run.meter(), name), value);
  }
  return format_percent(run.meter(), *text.text(), make_dict(run.meter(), std::move(values)));
}

Value center(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("center", arguments, {"width"});
  const Value text = soft_text(run, input);
  const Integer width = integer_argument(bound[0], 80, "center's width");
  return make_text(run.meter(), justified(run.meter(), *text.text(), Side::kBoth, width, ' '),
                   text.text()->markup);
}

Value truncate(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound =
      bind("truncate", arguments, {"length", "killwords", "end", "leeway"});
  if (const Undefined* undefined = input.undefined(); undefined != nullptr) return input;
  const Text& text = text_argument(input, "the input of truncate");
  if (text.markup) fail_unsupported("truncating a string marked safe");
  // Beyond any text's length, and safe to add.
  constexpr Integer kLengthMost = Integer{1} << 62;
  const Integer length =
      std::min(integer_argument(bound[0], 255, "truncate's length"), kLengthMost);
  const Integer leeway =
      given(bound[3]) ? std::min(integer_argument(bound[3], 5, "truncate's leeway"), kLengthMost)
                      : 5;
  const Value dots = bound[2].is_missing() ? make_text(run.meter(), "...") : bound[2];
  const Text& end = text_argument(dots, "truncate's end");
  if (length < static_cast<Integer>(end.length)) fail("truncate's length is less than its end's");
  if (leeway < 0) fail("truncate's leeway is negative");
  if (static_cast<Integer>(text.length) <= length + leeway) return input;
  run.meter().step_over_bytes(text.bytes.size());
  const auto keep = static_cast<std::size_t>(length) - end.length;
  std::string_view kept = std::string_view(text.bytes).substr(0, byte_of_point(text.bytes, keep));
  const std::size_t space = kept.rfind(' ');
  if (!flag_argument(bound[1]) && space != std::string_view::npos) kept = kept.substr(0, space);
  return make_text(run.meter(), std::string(kept) + end.bytes);
}

Value wordcount(Evaluator& run, const Value& input, const Arguments& arguments) {
  bind("wordcount", arguments, {});
  const Value text = soft_text(run, input);
  const std::string& bytes = text.text()->bytes;
  run.meter().step(static_cast<std::int64_t>(bytes.size() / 16));
  std::int64_t words = 0;
  bool inside = false;
  for (std::size_t byte = 0; byte < bytes.size();) {
    const char32_t point = next_point(bytes, byte);
    const bool part =
        point == '_' || (char_flags(point) & (kAlpha | kDecimal | kDigit | kNumeric)) != 0;
    if (part && !inside) ++words;
    inside = part;
  }
  return make_int(words);
}

Value tojson(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound =
      bind("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = flag_argument(bound[0]);
  style.sort_keys = flag_argument(bound[3]);
  if (given(bound[1])) {
    style.indented = true;
    style.item_separator = std::string(1, ',');
    if (const Text* text = bound[1].text()) {
      run.meter().step_over_bytes(text->bytes.size());
      style.indent = text->bytes;
    } else {
      const Integer columns = integer_argument(bound[1], 0, "tojson's indent");
      if (columns > 1'000) fail_limit("tojson's indent is beyond 1000");
      style.indent.assign(columns > 0 ? static_cast<std::size_t>(columns) : 0, ' ');
    }
  }
  if (given(bound[2])) {
    const Sequence* separators = bound[2].sequence();
    if (separators == nullptr || separators->items.size() != 2 ||
        separators->items[0].text() == nullptr || separators->items[1].text() == nullptr) {
      fail("tojson's separators must be two strings");
    }
    style.item_separator = to_str(run.meter(), separators->items[0]);
    style.key_separator = to_str(run.meter(), separators->items[1]);
  }
  return make_text(run.meter(), to_json(run.meter(), input, style));
}

constexpr NamedBuiltin kFilters[] = {
    {"capitalize", changed<to_capitalized>},
    {"center", center},
    {"e", escape},
    {"escape", escape},
    {"forceescape", force_escape},
    {"format", format},
    {"indent", indent},
    {"lower", changed<to_lower>},
    {"replace", replace},
    {"safe", safe},
    {"string", string},
    {"title", changed<titled_words>},
    {"tojson", tojson},
    {"trim", trim},
    {"truncate", truncate},
    {"upper", changed<to_upper>},
    {"wordcount", wordcount},
};

}  // namespace

const NamedBuiltin* find_text_filter(std::string_view name) { return find_in(kFilters, name); }

}  // namespace tessera::jinja
