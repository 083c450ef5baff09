// The methods of lists, tuples and dicts that change nothing, and of the loop variable.

#include "engine/chat/bind.h"
#include "engine/chat/builtins.h"
#include "engine/chat/compare.h"
#include "engine/chat/evaluator.h"
#include "engine/chat/iterate.h"

namespace tessera::jinja {
namespace {

Value get(Evaluator& run, const Value& self, const Arguments& arguments) {
  const std::vector<Value> bound = bind_positional("get", arguments, 1, 2);
  const Value* found = self.dict()->find(run.meter(), bound[0]);
  if (found != nullptr) return *found;
  return bound[1].is_missing() ? Value(None{}) : bound[1];
}

template <DictView::Part part>
Value view(Evaluator& run, const Value& self, const Arguments& arguments) {
  bind_positional("this method", arguments, 0, 0);
  return make_view(run.meter(), *self.get<Ref<const Dict>>(), part);
}

// Nothing can be changed in place, so a copy need only be a different object.
Value copy_dict(Evaluator& run, const Value& self, const Arguments& arguments) {
  bind_positional("copy", arguments, 0, 0);
  Dict dict;
  for (const auto& [key, value] : self.dict()->entries()) dict.set(run.meter(), key, value);
  return make_dict(run.meter(), std::move(dict));
}

Value copy_list(Evaluator& run, const Value& self, const Arguments& arguments) {
  bind_positional("copy", arguments, 0, 0);
  return make_list(run.meter(), items_of(run.meter(), self));
}

bool same(Evaluator& run, const Value& left, const Value& right) {
  return identical(left, right) || equal(run.meter(), left, right);
}

Value count(Evaluator& run, const Value& self, const Arguments& arguments) {
  const std::vector<Value> bound = bind_positional("count", arguments, 1, 1);
  run.meter().step_over_items(self.sequence()->items.size());
  std::int64_t found = 0;
  for (const Value& item : self.sequence()->items) found += same(run, item, bound[0]) ? 1 : 0;
  return make_int(found);
}

Value index(Evaluator& run, const Value& self, const Arguments& arguments) {
  const std::vector<Value> bound = bind_positional("index", arguments, 1, 3);
  const std::vector<Value>& items = self.sequence()->items;
  const auto length = static_cast<Integer>(items.size());
  const auto place = [&](const Value& value, Integer fallback) {
    Integer at = integer_argument(value, fallback, "a slice index");
    if (at < 0) at = at + length < 0 ? 0 : at + length;
    return at > length ? length : at;
  };
  for (Integer at = place(bound[1], 0); at < place(bound[2], length); ++at) {
    if (same(run, items[static_cast<std::size_t>(at)], bound[0])) return at;
  }
  fail("the value is not in the list");
}

Value cycle(Evaluator&, const Value& self, const Arguments& arguments) {
  if (arguments.positional.empty()) fail("no items for cycling given");
  const Loop& loop = **self.get<Ref<Loop>>();
  return arguments.positional[static_cast<std::size_t>(loop.index0) % arguments.positional.size()];
}

Value loop_changed(Evaluator& run, const Value& self, const Arguments& arguments) {
  const Ref<Loop>& loop = *self.get<Ref<Loop>>();
  Value now = make_tuple(run.meter(), arguments.positional);
  if (!loop->changed_last.is_missing() && equal(run.meter(), loop->changed_last, now)) return false;
  loop->changed_last = std::move(now);
  return true;
}

constexpr NamedBuiltin kDictMethods[] = {
    {"copy", copy_dict},
    {"get", get},
    {"items", view<DictView::Part::kItems>},
    {"keys", view<DictView::Part::kKeys>},
    {"values", view<DictView::Part::kValues>},
};
constexpr NamedBuiltin kSequenceMethods[] = {
    {"copy", copy_list}, {"count", count}, {"index", index}};
constexpr NamedBuiltin kLoopMethods[] = {{"changed", loop_changed}, {"cycle", cycle}};

}  // namespace

const NamedBuiltin* find_dict_method(std::string_view name) { return find_in(kDictMethods, name); }
const NamedBuiltin* find_sequence_method(std::string_view name) {
  return find_in(kSequenceMethods, name);
}
const NamedBuiltin* find_loop_method(std::string_view name) { return find_in(kLoopMethods, name); }

}  // namespace tessera::jinja
