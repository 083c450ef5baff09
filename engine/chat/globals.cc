// The functions a chat template finds without importing: Jinja's and the ones Hugging Face adds.

#include <ctime>

#include "engine/chat/bind.h"
#include "engine/chat/builtins.h"
#include "engine/chat/evaluator.h"
#include "engine/chat/iterate.h"
#include "engine/chat/print.h"

namespace tessera::jinja {
namespace {

std::int64_t range_bound(const Value& value, std::int64_t fallback) {
  const Integer bound = integer_argument(value, fallback, "range's argument");
  // Far beyond what the limit on items allows, and safe to subtract.
  if (bound > (Integer{1} << 60) || bound < -(Integer{1} << 60)) {
    fail_limit("range's argument is too large");
  }
  return static_cast<std::int64_t>(bound);
}

Value range(Evaluator& run, const Value&, const Arguments& arguments) {
  const std::vector<Value> bound = bind_positional("range", arguments, 1, 3);
  const bool single = bound[1].is_missing();
  Range made;
  made.start = single ? 0 : range_bound(bound[0], 0);
  made.stop = range_bound(single ? bound[0] : bound[1], 0);
  made.step = range_bound(bound[2], 1);
  if (made.step == 0) fail("range() arg 3 must not be zero");
  const std::int64_t most = run.meter().limits().range_items;
  if (made.length() > most) {
    fail_limit("Range too big. The sandbox blocks ranges larger than " + std::to_string(most) +
               ".");
  }
  return make_range(run.meter(), made);
}

// The entries dict(...) takes from its positional argument and its keywords.
Dict entries_of(Evaluator& run, const char* function, const Arguments& arguments) {
  if (arguments.positional.size() > 1) fail(std::string(function) + " expected at most 1 argument");
  Dict dict;
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (const Dict* other = source.dict()) {
      for (const auto& [key, value] : other->entries()) dict.set(run.meter(), key, value);
    } else {
      for (const Value& pair : items_of(run.meter(), source)) {
        std::vector<Value> parts = items_of(run.meter(), pair);
        if (parts.size() != 2) fail("dictionary update sequence elements must have length 2");
        dict.set(run.meter(), std::move(parts[0]), std::move(parts[1]));
      }
    }
  }
  for (const auto& [name, value] : arguments.named) {
    dict.set(run.meter(), make_text(run.meter(), name), value);
  }
  return dict;
}

Value dict(Evaluator& run, const Value&, const Arguments& arguments) {
  return make_dict(run.meter(), entries_of(run, "dict", arguments));
}

Value make_space(Evaluator& run, const Value&, const Arguments& arguments) {
  std::vector<std::pair<std::string, Value>> attributes;
  const Dict given_entries = entries_of(run, "namespace", arguments);
  for (const auto& [key, value] : given_entries.entries()) {
    const Text* name = key.text();
    if (name == nullptr) fail_unsupported("a namespace attribute that is not a string");
    if (name->bytes.starts_with("_")) {
      fail_unsafe("a namespace attribute cannot start with an underscore");
    }
    attributes.emplace_back(name->bytes, value);
  }
  return run.make_namespace(std::move(attributes));
}

Value raise_exception(Evaluator& run, const Value&, const Arguments& arguments) {
  const std::vector<Value> bound = bind("raise_exception", arguments, {"message"}, 1);
  throw Failure::raised(to_str(run.meter(), bound[0]));
}

// datetime.strftime: the C library's, with microseconds and the empty zone of a naive time.
Value strftime_now(Evaluator& run, const Value&, const Arguments& arguments) {
  const std::vector<Value> bound = bind("strftime_now", arguments, {"format"}, 1);
  const std::string& asked = text_argument(bound[0], "strftime_now's format").bytes;
  std::string format;
  for (std::size_t at = 0; at < asked.size(); ++at) {
    const char next = asked[at] == '%' && at + 1 < asked.size() ? asked[at + 1] : '\0';
    if (asked[at] == '\0') fail_unsupported("a NUL in a time format");
    if (next == 'f') fail_unsupported("microseconds in strftime_now");
    if (next != 'z' && next != 'Z') format += asked[at];
    if (next != '\0') format += next == 'z' || next == 'Z' ? "" : std::string(1, next);
    if (next != '\0') ++at;
  }
  if (format.empty()) return make_text(run.meter(), "");
  std::tm now = {};
  if (run.meter().limits().now) {
    now = *run.meter().limits().now;
  } else {
    const std::time_t seconds = std::time(nullptr);
    localtime_r(&seconds, &now);
  }
  // Python gives up at this length too; a result of nothing is then taken for what it is.
  const std::size_t most = 256 * format.size();
  run.meter().expect_room(most);
  run.meter().step_over_bytes(most);
  std::string text(most, '\0');
  text.resize(std::strftime(text.data(), text.size(), format.c_str(), &now));
  return make_text(run.meter(), std::move(text));
}

constexpr NamedBuiltin kGlobals[] = {
    {"dict", dict},   {"namespace", make_space},      {"raise_exception", raise_exception},
    {"range", range}, {"strftime_now", strftime_now},
};

}  // namespace

const NamedBuiltin* find_global(std::string_view name) { return find_in(kGlobals, name); }

}  // namespace tessera::jinja
