// Filters that take several values together or apart.

#include <algorithm>

#include "engine/chat/arithmetic.h"
#include "engine/chat/bind.h"
#include "engine/chat/evaluator.h"
#include "engine/chat/filter_tables.h"
#include "engine/chat/iterate.h"
#include "engine/chat/lookup.h"
#include "engine/chat/print.h"

namespace tessera::jinja {
namespace {

Value length(Evaluator& run, const Value& input, const Arguments& arguments) {
  bind("length", arguments, {});
  if (const auto* loop = input.get<Ref<Loop>>()) return make_int((*loop)->length(run.meter()));
  return make_int(length_of(input));
}

Value first(Evaluator& run, const Value& input, const Arguments& arguments) {
  bind("first", arguments, {});
  Value item;
  if (iterate(run.meter(), input)->next(item)) return item;
  return make_undefined(run.meter(), "No first item, sequence was empty.");
}

Value last(Evaluator& run, const Value& input, const Arguments& arguments) {
  bind("last", arguments, {});
  const Ref<Iterator> items = iterate_backwards(run.meter(), input);
  if (items == nullptr) fail(std::string("'") + type_name(input) + "' object is not reversible");
  Value item;
  if (items->next(item)) return item;
  return make_undefined(run.meter(), "No last item, sequence was empty.");
}

Value list(Evaluator& run, const Value& input, const Arguments& arguments) {
  bind("list", arguments, {});
  return make_list(run.meter(), items_of(run.meter(), input));
}

Value reverse(Evaluator& run, const Value& input, const Arguments& arguments) {
  bind("reverse", arguments, {});
  if (input.text() != nullptr) {
    return slice_of(run.meter(), input, Value(), Value(), make_int(-1));
  }
  if (Ref<Iterator> items = iterate_backwards(run.meter(), input)) return items;
  if (!iterable(input)) fail("argument must be iterable");
  std::vector<Value> items = items_of(run.meter(), input);
  std::reverse(items.begin(), items.end());
  return make_list(run.meter(), std::move(items));
}

Value join(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("join", arguments, {"d", "attribute"});
  const std::string glue = bound[0].is_missing() ? "" : to_str(run.meter(), bound[0]);
  std::string out;
  bool later = false;
  const Ref<Iterator> items = iterate(run.meter(), input);
  for (Value item; items->next(item);) {
    run.meter().step();
    if (later) out += glue;
    later = true;
    out += to_str(run.meter(), given(bound[1]) ? path_of(run.meter(), item, bound[1]) : item);
    run.meter().expect_room(2 * out.size());
  }
  return make_text(run.meter(), std::move(out));
}

// Already computed items as the generator that Jinja's filter is.
Value as_generator(Evaluator& run, std::vector<Value> items) {
  const Value made = make_list(run.meter(), std::move(items));
  const Ref<Iterator> source = iterate(run.meter(), made);
  return make_generator(run.meter(), nesting_around(Value(source)),
                        [source](Value& item) { return source->next(item); });
}

Value batch(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("batch", arguments, {"linecount", "fill_with"}, 1);
  const Integer size = integer_argument(bound[0], 0, "batch's linecount");
  std::vector<Value> batches, row;
  for (Value& item : items_of(run.meter(), input)) {
    if (static_cast<Integer>(row.size()) == size) {
      batches.push_back(make_list(run.meter(), std::exchange(row, {})));
    }
    row.push_back(std::move(item));
  }
  if (!row.empty()) {
    const auto filled = static_cast<Integer>(row.size());
    if (given(bound[1]) && filled < size) {
      if (size > Integer{1} << 40) fail_limit("batch's linecount is too large");
      run.meter().expect_room(static_cast<std::size_t>(size) * sizeof(Value));
      row.resize(static_cast<std::size_t>(size), bound[1]);
    }
    batches.push_back(make_list(run.meter(), std::move(row)));
  }
  return as_generator(run, std::move(batches));
}

Value slice(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("slice", arguments, {"slices", "fill_with"}, 1);
  const std::vector<Value> items = items_of(run.meter(), input);
  const Integer slices = integer_argument(bound[0], 0, "slice's number");
  if (slices == 0) fail("integer division or modulo by zero");
  if (slices > run.meter().limits().range_items) fail_limit("too many slices");
  std::vector<Value> parts;
  const Integer each = slices > 0 ? static_cast<Integer>(items.size()) / slices : 0;
  const Integer extra = slices > 0 ? static_cast<Integer>(items.size()) % slices : 0;
  auto at = items.begin();
  for (Integer part = 0; part < slices; ++part) {
    const auto end = at + static_cast<std::ptrdiff_t>(each + (part < extra ? 1 : 0));
    std::vector<Value> taken(at, end);
    if (given(bound[1]) && part >= extra) taken.push_back(bound[1]);
    parts.push_back(make_list(run.meter(), std::move(taken)));
    at = end;
  }
  return as_generator(run, std::move(parts));
}

Value items(Evaluator& run, const Value& input, const Arguments& arguments) {
  bind("items", arguments, {});
  const auto* dict = input.get<Ref<const Dict>>();
  if (dict == nullptr && input.undefined() == nullptr) {
    fail("Can only get item pairs from a mapping.");
  }
  if (dict == nullptr) return as_generator(run, {});
  const Value view = make_view(run.meter(), *dict, DictView::Part::kItems);
  const Ref<Iterator> source = iterate(run.meter(), view);
  return make_generator(run.meter(), nesting_around(Value(source)),
                        [source](Value& item) { return source->next(item); });
}

Value sum(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("sum", arguments, {"attribute", "start"});
  Value total = bound[1].is_missing() ? make_int(0) : bound[1];
  if (total.text() != nullptr) fail("sum() can't sum strings [use ''.join(seq) instead]");
  const Ref<Iterator> source = iterate(run.meter(), input);
  for (Value item; source->next(item);) {
    run.meter().step();
    if (given(bound[0])) item = path_of(run.meter(), item, bound[0]);
    total = binary(run.meter(), BinaryOp::kAdd, total, item);
  }
  return total;
}

constexpr NamedBuiltin kFilters[] = {
    {"batch", batch},     {"count", length}, {"first", first},   {"items", items},
    {"join", join},       {"last", last},    {"length", length}, {"list", list},
    {"reverse", reverse}, {"slice", slice},  {"sum", sum},
};

}  // namespace

const NamedBuiltin* find_sequence_filter(std::string_view name) { return find_in(kFilters, name); }

}  // namespace tessera::jinja
