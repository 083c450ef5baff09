// Filters that compare values with each other: sort, dictsort, min, max, unique, groupby.

#include <algorithm>

#include "engine/chat/bind.h"
#include "engine/chat/compare.h"
#include "engine/chat/evaluator.h"
#include "engine/chat/filter_tables.h"
#include "engine/chat/iterate.h"
#include "engine/chat/lookup.h"
#include "engine/chat/sort.h"
#include "engine/chat/unicode.h"

namespace tessera::jinja {
namespace {

// What an item is compared by: an attribute, in lower case unless case counts.
Value key_of(Evaluator& run, const Value& item, const Value& attribute, bool case_sensitive) {
  Value key = path_of(run.meter(), item, attribute);
  if (case_sensitive || key.text() == nullptr) return key;
  run.meter().expect_room(key.text()->bytes.size() * 3);
  return make_text(run.meter(), to_lower(key.text()->bytes));
}

Value list_at(Evaluator& run, const std::vector<Value>& items,
              const std::vector<std::size_t>& places) {
  std::vector<Value> ordered;
  for (std::size_t place : places) ordered.push_back(items[place]);
  return make_list(run.meter(), std::move(ordered));
}

// The paths in a comma separated attribute argument.
std::vector<Value> attribute_paths(Evaluator& run, const Value& attribute) {
  const Text* text = attribute.text();
  if (text == nullptr) return {attribute};
  std::vector<Value> paths;
  for (std::size_t at = 0; at <= text->bytes.size();) {
    const std::size_t comma = std::min(text->bytes.find(',', at), text->bytes.size());
    paths.push_back(make_text(run.meter(), text->bytes.substr(at, comma - at)));
    at = comma + 1;
  }
  return paths;
}

Value sort(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound =
      bind("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  const std::vector<Value> paths = attribute_paths(run, bound[2]);
  const std::vector<Value> items = items_of(run.meter(), input);
  std::vector<Value> keys;
  for (const Value& item : items) {
    std::vector<Value> parts;
    for (const Value& path : paths) {
      parts.push_back(key_of(run, item, path, flag_argument(bound[1])));
    }
    keys.push_back(make_list(run.meter(), std::move(parts)));
  }
  return list_at(run, items, sorted_places(run.meter(), keys, flag_argument(bound[0])));
}

Value dictsort(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const std::string by = bound[1].is_missing() ? "key" : text_argument(bound[1], "by").bytes;
  if (by != "key" && by != "value") fail("You can only sort by either \"key\" or \"value\"");
  const Dict* dict = input.dict();
  if (const Undefined* undefined = input.undefined()) fail_undefined(*undefined);
  if (dict == nullptr)
    fail(std::string("dictsort needs a mapping, not '") + type_name(input) + "'");
  std::vector<Value> pairs, keys;
  for (const auto& [key, value] : dict->entries()) {
    pairs.push_back(make_tuple(run.meter(), {key, value}));
    keys.push_back(key_of(run, by == "key" ? key : value, None{}, flag_argument(bound[0])));
  }
  return list_at(run, pairs, sorted_places(run.meter(), keys, flag_argument(bound[2])));
}

template <Comparison wins>
Value extreme(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("min or max", arguments, {"case_sensitive", "attribute"});
  const bool case_sensitive = flag_argument(bound[0]);
  const Ref<Iterator> items = iterate(run.meter(), input);
  Value best;
  if (!items->next(best))
    return make_undefined(run.meter(), "No aggregated item, sequence was empty.");
  Value best_key = key_of(run, best, bound[1], case_sensitive);
  for (Value item; items->next(item);) {
    Value key = key_of(run, item, bound[1], case_sensitive);
    if (!compare(run.meter(), wins, key, best_key)) continue;
    best = std::move(item);
    best_key = std::move(key);
  }
  return best;
}

Value unique(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("unique", arguments, {"case_sensitive", "attribute"});
  Dict seen;
  std::vector<Value> kept;
  for (const Value& item : items_of(run.meter(), input)) {
    Value key = key_of(run, item, bound[1], flag_argument(bound[0]));
    if (seen.find(run.meter(), key) != nullptr) continue;
    seen.set(run.meter(), std::move(key), None{});
    kept.push_back(item);
  }
  const Value list = make_list(run.meter(), std::move(kept));
  const Ref<Iterator> source = iterate(run.meter(), list);
  return make_generator(run.meter(), nesting_around(Value(source)),
                        [source](Value& item) { return source->next(item); });
}

Value groupby(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound =
      bind("groupby", arguments, {"attribute", "default", "case_sensitive"}, 1);
  const auto attribute = [&](const Value& item) {
    const Value found = path_of(run.meter(), item, bound[0]);
    return found.undefined() != nullptr && given(bound[1]) ? bound[1] : found;
  };
  const std::vector<Value> items = items_of(run.meter(), input);
  std::vector<Value> keys;
  for (const Value& item : items) {
    keys.push_back(key_of(run, attribute(item), None{}, flag_argument(bound[2])));
  }
  const std::vector<std::size_t> places = sorted_places(run.meter(), keys, false);
  std::vector<Value> groups;
  for (std::size_t start = 0; start < places.size();) {
    std::vector<Value> members;
    std::size_t end = start;
    while (end < places.size() && equal(run.meter(), keys[places[start]], keys[places[end]])) {
      members.push_back(items[places[end++]]);
    }
    // The group is named by its first member, in that member's own case. A key that does not even
    // equal itself makes a group alone.
    if (end == start) members.push_back(items[places[end++]]);
    const Value name = attribute(members.front());
    groups.push_back(make_tuple(run.meter(), {name, make_list(run.meter(), std::move(members))},
                                Sequence::Form::kGroup));
    start = end;
  }
  return make_list(run.meter(), std::move(groups));
}

constexpr NamedBuiltin kFilters[] = {
    {"dictsort", dictsort},
    {"groupby", groupby},
    {"max", extreme<Comparison::kGreater>},
    {"min", extreme<Comparison::kLess>},
    {"sort", sort},
    {"unique", unique},
};

}  // namespace

const NamedBuiltin* find_order_filter(std::string_view name) { return find_in(kFilters, name); }

}  // namespace tessera::jinja
