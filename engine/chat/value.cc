#include "engine/chat/value.h"

#include <algorithm>

#include "engine/chat/compare.h"
#include "engine/chat/loop.h"
#include "engine/chat/unicode.h"

namespace tessera::jinja {
namespace {

constexpr std::size_t kObjectBytes = 64;       // the control block and fields of a shared object
constexpr std::size_t kPlaceFrom = 8;          // dicts with fewer entries are searched in order
constexpr std::size_t kAttributesMost = 1000;  // they are searched in order

template <class... Cases>
struct Match : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Match(Cases...) -> Match<Cases...>;

}  // namespace

template <class Matches>
std::size_t Dict::place(std::size_t hash, const Matches& matches) const {
  if (entries_.size() < kPlaceFrom) {
    for (std::size_t index = 0; index < entries_.size(); ++index) {
      if (matches(entries_[index].first)) return index;
    }
    return entries_.size();
  }
  const auto [first, last] = places_.equal_range(hash);
  for (auto entry = first; entry != last; ++entry) {
    if (matches(entries_[entry->second].first)) return entry->second;
  }
  return entries_.size();
}

const Value* Dict::find(Meter& meter, const Value& key) const {
  const std::size_t index =
      place(hash_value(meter, key), [&](const Value& known) { return equal(meter, known, key); });
  return index == entries_.size() ? nullptr : &entries_[index].second;
}

const Value* Dict::find(Meter& meter, std::string_view key) const {
  meter.step_over_bytes(key.size());
  const std::size_t index = place(hash_text(key), [&](const Value& known) {
    const Text* text = known.text();
    return text != nullptr && text->bytes == key;
  });
  return index == entries_.size() ? nullptr : &entries_[index].second;
}

void Dict::set(Meter& meter, Value key, Value value) {
  const std::size_t hash = hash_value(meter, key);
  const std::size_t index =
      place(hash, [&](const Value& known) { return equal(meter, known, key); });
  if (index < entries_.size()) {
    entries_[index].second = std::move(value);
    return;
  }
  entries_.emplace_back(std::move(key), std::move(value));
  if (entries_.size() < kPlaceFrom) return;
  if (entries_.size() == kPlaceFrom) {
    for (std::size_t known = 0; known + 1 < kPlaceFrom; ++known) {
      places_.emplace(hash_value(meter, entries_[known].first), known);
    }
  }
  places_.emplace(hash, index);
}

std::int64_t Range::length() const {
  if (step > 0) return start < stop ? (stop - start - 1) / step + 1 : 0;
  return start > stop ? (start - stop - 1) / -step + 1 : 0;
}

const Value* Namespace::find(Meter& meter, std::string_view name) const {
  meter.step_over_items(attributes.size());
  for (const auto& [known, value] : attributes) {
    if (known == name) return &value;
  }
  return nullptr;
}

void Namespace::set(Meter& meter, const std::string& name, Value value) {
  meter.step_over_items(attributes.size());
  for (auto& [known, old] : attributes) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  if (attributes.size() == kAttributesMost) fail_limit("a namespace has too many attributes");
  meter.step_over_bytes(name.size());
  charge.grow(sizeof(Attribute) + name.size());
  attributes.emplace_back(name, std::move(value));
}

Value make_text(Meter& meter, std::string bytes, bool markup) {
  meter.step();
  meter.step_over_bytes(bytes.size());
  Charge charge(meter, kObjectBytes + bytes.size());
  const std::size_t length = count_points(bytes);
  return Ref<const Text>(
      std::make_shared<Text>(Text{std::move(bytes), length, markup, std::move(charge)}));
}

Value make_constant_text(std::string bytes) {
  const std::size_t length = count_points(bytes);
  return Ref<const Text>(std::make_shared<Text>(Text{std::move(bytes), length}));
}

Value make_tuple(Meter& meter, std::vector<Value> items, Sequence::Form form) {
  meter.step();
  meter.step_over_items(items.size());
  Charge charge(meter, kObjectBytes + items.size() * sizeof(Value));
  const int depth = nesting_around(items);
  return Ref<const Sequence>(
      std::make_shared<Sequence>(Sequence{form, std::move(items), depth, std::move(charge)}));
}

Value make_list(Meter& meter, std::vector<Value> items) {
  return make_tuple(meter, std::move(items), Sequence::Form::kList);
}

Value make_dict(Meter& meter, Dict&& dict) {
  meter.step(1 + static_cast<std::int64_t>(dict.entries().size() / 2));
  int depth = 1;
  for (const auto& [key, value] : dict.entries()) {
    depth = std::max({depth, nesting_around(key), nesting_around(value)});
  }
  auto made = std::make_shared<Dict>(Dict{std::move(dict)});
  made->depth = depth;
  // Two values, and a node of places_ beside them.
  made->charge = Charge(meter, kObjectBytes + made->entries().size() * 3 * sizeof(Value));
  return Ref<const Dict>(std::move(made));
}

Value make_undefined(Meter& meter, std::string message, bool unsafe) {
  meter.step_over_bytes(message.size());
  Charge charge(meter, kObjectBytes + message.size());
  return Ref<const Undefined>(
      std::make_shared<Undefined>(Undefined{std::move(message), unsafe, std::move(charge)}));
}

Value make_view(Meter& meter, Ref<const Dict> dict, DictView::Part part) {
  nesting_around(Value(dict));
  return Ref<const DictView>(
      std::make_shared<DictView>(DictView{std::move(dict), part, Charge(meter, kObjectBytes)}));
}

Value make_range(Meter& meter, const Range& range) {
  struct Charged {
    Range range;
    Charge charge;
  };
  const auto made = std::make_shared<Charged>(Charged{range, Charge(meter, kObjectBytes)});
  return Ref<const Range>(made, &made->range);
}

Value make_method(Meter& meter, std::string_view name, Builtin function, const Value& self) {
  const int depth = nesting_around(self);
  return Ref<const Callable>(std::make_shared<Callable>(
      Callable{name, function, self, depth, Charge(meter, 2 * kObjectBytes)}));
}

int nesting(const Value& value) {
  return std::visit(Match{[](const Ref<const Sequence>& sequence) { return sequence->depth; },
                          [](const Ref<const Dict>& dict) { return dict->depth; },
                          [](const Ref<const DictView>& view) { return view->dict->depth + 1; },
                          [](const Ref<Iterator>& iterator) { return iterator->depth(); },
                          [](const Ref<Loop>& loop) { return loop->depth; },
                          [](const Ref<const Callable>& callable) { return callable->depth; },
                          [](const auto&) { return 0; }},
                    value.store());
}

int nesting_around(const Value& inner) {
  const int depth = nesting(inner) + 1;
  if (depth > kMaxNesting) {
    fail_limit("values nested deeper than " + std::to_string(kMaxNesting) + " levels");
  }
  return depth;
}

int nesting_around(const std::vector<Value>& inner) {
  int depth = 1;
  for (const Value& item : inner) depth = std::max(depth, nesting_around(item));
  return depth;
}

void fail_undefined(const Undefined& undefined) {
  if (undefined.unsafe) fail_unsafe(undefined.message);
  fail(undefined.message);
}

const char* type_name(const Value& value) {
  using Name = const char*;
  return std::visit(
      Match{[](const Missing&) -> Name { return "missing"; },
            [](const None&) -> Name { return "NoneType"; },
            [](const bool&) -> Name { return "bool"; },
            [](const Integer&) -> Name { return "int"; },
            [](const double&) -> Name { return "float"; },
            [](const Ref<const Undefined>&) -> Name { return "Undefined"; },
            [](const Ref<const Text>& text) -> Name { return text->markup ? "Markup" : "str"; },
            [](const Ref<const Sequence>& sequence) -> Name {
              return sequence->form == Sequence::Form::kList ? "list" : "tuple";
            },
            [](const Ref<const Dict>&) -> Name { return "dict"; },
            [](const Ref<const DictView>& view) -> Name {
              return view->part == DictView::Part::kKeys     ? "dict_keys"
                     : view->part == DictView::Part::kValues ? "dict_values"
                                                             : "dict_items";
            },
            [](const Ref<const Range>&) -> Name { return "range"; },
            [](const Ref<Iterator>& iterator) -> Name { return iterator->type(); },
            [](const Ref<Namespace>&) -> Name { return "Namespace"; },
            [](const Ref<Loop>&) -> Name { return "LoopContext"; },
            [](const Ref<const Macro>&) -> Name { return "Macro"; },
            [](const Ref<const Callable>&) -> Name { return "function"; }},
      value.store());
}

bool as_integer(const Value& value, Integer& number) {
  if (const Integer* integer = value.get<Integer>()) {
    number = *integer;
    return true;
  }
  if (const bool* flag = value.get<bool>()) {
    number = *flag ? 1 : 0;
    return true;
  }
  return false;
}

bool as_number(const Value& value, double& number) {
  if (const double* real = value.get<double>()) {
    number = *real;
    return true;
  }
  Integer integer;
  if (!as_integer(value, integer)) return false;
  number = static_cast<double>(integer);
  return true;
}

}  // namespace tessera::jinja
