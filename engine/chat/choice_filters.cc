// Filters that apply another filter or a test to every item: map, select, reject and their kind.
// All give generators, as in Jinja: always true, without a length, good for one run.

#include <algorithm>

#include "engine/chat/bind.h"
#include "engine/chat/compare.h"
#include "engine/chat/evaluator.h"
#include "engine/chat/filter_tables.h"
#include "engine/chat/iterate.h"
#include "engine/chat/lookup.h"

namespace tessera::jinja {
namespace {

// No filter or test has a longer name.
constexpr std::size_t kNameMost = 100;

// The items of the input; none when it is false, even if it could not be iterated.
Ref<Iterator> items_if_true(Evaluator& run, const Value& input) {
  return truth(input) ? iterate(run.meter(), input) : nullptr;
}

// Nesting of a generator that holds the source and the arguments.
int depth_over(const Ref<Iterator>& source, const Arguments& arguments) {
  int depth = source == nullptr ? 1 : nesting_around(Value(source));
  depth = std::max(depth, nesting_around(arguments.positional));
  for (const auto& [name, value] : arguments.named) depth = std::max(depth, nesting_around(value));
  return depth;
}

// What a generator holds when it copies the arguments.
std::size_t bytes_of(const Arguments& arguments) {
  std::size_t bytes = arguments.positional.size() * sizeof(Value);
  for (const auto& [name, value] : arguments.named) bytes += sizeof(Value) + name.size();
  return bytes;
}

// The name of a filter or test that is applied to every item.
std::string name_argument(Evaluator& run, const Value& value, const char* what) {
  const std::string& name = text_argument(value, what).bytes;
  run.meter().step_over_bytes(name.size());
  return name.substr(0, kNameMost);
}

Value map_attribute(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("map", arguments, {"attribute", "default"});
  Ref<Iterator> source = items_if_true(run, input);
  const int depth = depth_over(source, arguments);
  return make_generator(run.meter(), depth, [&run, source, bound](Value& item) {
    Value next;
    if (source == nullptr || !source->next(next)) return false;
    item = path_of(run.meter(), next, bound[0]);
    if (item.undefined() != nullptr && given(bound[1])) item = bound[1];
    return true;
  });
}

Value map(Evaluator& run, const Value& input, const Arguments& arguments) {
  const bool attribute =
      arguments.positional.empty() &&
      std::any_of(arguments.named.begin(), arguments.named.end(),
                  [](const auto& argument) { return argument.first == "attribute"; });
  if (attribute) return map_attribute(run, input, arguments);
  if (arguments.positional.empty()) fail("map requires a filter argument");
  const std::string name = name_argument(run, arguments.positional[0], "map's filter");
  Arguments rest{{arguments.positional.begin() + 1, arguments.positional.end()}, arguments.named};
  Ref<Iterator> source = items_if_true(run, input);
  const int depth = depth_over(source, arguments);
  return make_generator(
      run.meter(), depth,
      [&run, source, name, rest](Value& item) {
        Value next;
        if (source == nullptr || !source->next(next)) return false;
        item = run.apply_filter(name, next, rest);
        return true;
      },
      bytes_of(rest));
}

// `wanted`: keep the items whose test gives this. With by_attribute the first argument is a path
// and what it leads to is tested.
template <bool wanted, bool by_attribute>
Value choose(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::size_t first = by_attribute ? 1 : 0;
  const std::vector<Value>& given_arguments = arguments.positional;
  if (given_arguments.size() < first) fail("Missing parameter for attribute name");
  Value path;
  if (by_attribute) path = given_arguments[0];
  const bool tests = given_arguments.size() > first;
  const std::string name =
      tests ? name_argument(run, given_arguments[first], "the test's name") : "";
  Arguments rest;
  if (tests) {
    rest = {
        {given_arguments.begin() + static_cast<std::ptrdiff_t>(first) + 1, given_arguments.end()},
        arguments.named};
  }
  Ref<Iterator> source = items_if_true(run, input);
  const int depth = depth_over(source, arguments);
  return make_generator(
      run.meter(), depth,
      [&run, source, path, tests, name, rest](Value& item) {
        for (Value next; source != nullptr && source->next(next);) {
          const Value tested = path_of(run.meter(), next, path);
          const bool holds = tests ? run.apply_test(name, tested, rest) : truth(tested);
          if (holds != wanted) continue;
          item = std::move(next);
          return true;
        }
        return false;
      },
      bytes_of(rest));
}

constexpr NamedBuiltin kFilters[] = {
    {"map", map},
    {"reject", choose<false, false>},
    {"rejectattr", choose<false, true>},
    {"select", choose<true, false>},
    {"selectattr", choose<true, true>},
};

}  // namespace

const NamedBuiltin* find_choice_filter(std::string_view name) { return find_in(kFilters, name); }

}  // namespace tessera::jinja
