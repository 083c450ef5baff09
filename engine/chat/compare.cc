#include "engine/chat/compare.h"

#include <absl/hash/hash.h>

#include <algorithm>
#include <cmath>

#include "engine/chat/loop.h"
#include "engine/chat/unicode.h"

namespace tessera::jinja {
namespace {

[[noreturn]] void fail_order(const Value& left, const Value& right) {
  for (const Value* side : {&left, &right}) {
    if (const Undefined* undefined = side->undefined()) fail_undefined(*undefined);
  }
  fail(std::string("values of types '") + type_name(left) + "' and '" + type_name(right) +
       "' cannot be ordered");
}

// Wide enough to hold an int and a float side by side without rounding either.
bool as_wide(const Value& value, long double& number) {
  if (const double* real = value.get<double>()) {
    number = *real;
    return true;
  }
  Integer integer;
  if (!as_integer(value, integer)) return false;
  number = static_cast<long double>(integer);
  return true;
}

template <class T>
bool ordered(Comparison comparison, const T& left, const T& right) {
  switch (comparison) {
    case Comparison::kEqual:
      return left == right;
    case Comparison::kNotEqual:
      return left != right;
    case Comparison::kLess:
      return left < right;
    case Comparison::kLessEqual:
      return left <= right;
    case Comparison::kGreater:
      return left > right;
    case Comparison::kGreaterEqual:
      return left >= right;
  }
  return false;
}

bool is_list(const Sequence& sequence) { return sequence.form == Sequence::Form::kList; }

bool compare_sequences(Meter& meter, Comparison comparison, const Sequence& left,
                       const Sequence& right) {
  const std::size_t shorter = std::min(left.items.size(), right.items.size());
  meter.step_over_items(shorter);
  for (std::size_t index = 0; index < shorter; ++index) {
    const Value& a = left.items[index];
    const Value& b = right.items[index];
    if (!identical(a, b) && !equal(meter, a, b)) return compare(meter, comparison, a, b);
  }
  return ordered(comparison, left.items.size(), right.items.size());
}

bool equal_sequences(Meter& meter, const Sequence& left, const Sequence& right) {
  if (is_list(left) != is_list(right) || left.items.size() != right.items.size()) return false;
  meter.step_over_items(left.items.size());
  for (std::size_t index = 0; index < left.items.size(); ++index) {
    const Value& a = left.items[index];
    const Value& b = right.items[index];
    if (!identical(a, b) && !equal(meter, a, b)) return false;
  }
  return true;
}

bool equal_dicts(Meter& meter, const Dict& left, const Dict& right) {
  if (left.entries().size() != right.entries().size()) return false;
  for (const auto& [key, value] : left.entries()) {
    const Value* other = right.find(meter, key);
    if (other == nullptr || (!identical(value, *other) && !equal(meter, value, *other))) {
      return false;
    }
  }
  return true;
}

bool equal_ranges(const Range& left, const Range& right) {
  const std::int64_t length = left.length();
  if (length != right.length()) return false;
  if (length == 0) return true;
  return left.start == right.start && (length == 1 || left.step == right.step);
}

bool view_contains(Meter& meter, const DictView& view, const Value& item) {
  if (view.part == DictView::Part::kKeys) return view.dict->find(meter, item) != nullptr;
  if (view.part == DictView::Part::kValues) {
    for (const auto& [key, value] : view.dict->entries()) {
      if (identical(value, item) || equal(meter, value, item)) return true;
    }
    return false;
  }
  const Sequence* pair = item.sequence();
  if (pair == nullptr || is_list(*pair) || pair->items.size() != 2) return false;
  const Value* value = view.dict->find(meter, pair->items[0]);
  return value != nullptr && equal(meter, *value, pair->items[1]);
}

bool range_contains(Meter& meter, const Range& range, const Value& item) {
  double number;
  if (!as_number(item, number)) return false;
  const double steps =
      (number - static_cast<double>(range.start)) / static_cast<double>(range.step);
  if (!(steps >= 0) || steps >= static_cast<double>(range.length())) return false;
  const Value at = make_int(range.at(static_cast<std::int64_t>(steps)));
  return equal(meter, at, item);
}

}  // namespace

bool truth(const Value& value) {
  if (value.is_missing() || value.is_none() || value.undefined() != nullptr) return false;
  long double number;
  if (as_wide(value, number)) return number != 0;
  if (const Text* text = value.text()) return !text->bytes.empty();
  if (const Sequence* sequence = value.sequence()) return !sequence->items.empty();
  if (const Dict* dict = value.dict()) return !dict->entries().empty();
  if (const auto* view = value.get<Ref<const DictView>>()) return !(*view)->dict->entries().empty();
  if (const auto* range = value.get<Ref<const Range>>()) return (*range)->length() > 0;
  return true;
}

bool equal(Meter& meter, const Value& left, const Value& right) {
  meter.step();
  Integer a, b;
  if (as_integer(left, a) && as_integer(right, b)) return a == b;
  long double x, y;
  if (as_wide(left, x) && as_wide(right, y)) return x == y;
  if (left.text() != nullptr && right.text() != nullptr) {
    meter.step(static_cast<std::int64_t>(left.text()->bytes.size() / 256));
    return left.text()->bytes == right.text()->bytes;
  }
  if (left.sequence() != nullptr && right.sequence() != nullptr) {
    return equal_sequences(meter, *left.sequence(), *right.sequence());
  }
  if (left.dict() != nullptr && right.dict() != nullptr) {
    return equal_dicts(meter, *left.dict(), *right.dict());
  }
  if (left.undefined() != nullptr || right.undefined() != nullptr) {
    return left.undefined() != nullptr && right.undefined() != nullptr;
  }
  if (left.is<Ref<const Range>>() && right.is<Ref<const Range>>()) {
    return equal_ranges(**left.get<Ref<const Range>>(), **right.get<Ref<const Range>>());
  }
  if (left.is<Ref<const DictView>>() && right.is<Ref<const DictView>>()) {
    fail_unsupported("comparing views of dicts");
  }
  return identical(left, right);
}

bool compare(Meter& meter, Comparison comparison, const Value& left, const Value& right) {
  if (comparison == Comparison::kEqual) return equal(meter, left, right);
  if (comparison == Comparison::kNotEqual) return !equal(meter, left, right);
  meter.step();
  Integer a, b;
  if (as_integer(left, a) && as_integer(right, b)) return ordered(comparison, a, b);
  long double x, y;
  if (as_wide(left, x) && as_wide(right, y)) return ordered(comparison, x, y);
  if (left.text() != nullptr && right.text() != nullptr) {
    meter.step(static_cast<std::int64_t>(left.text()->bytes.size() / 256));
    // The order of UTF-8 bytes is the order of code points.
    return ordered(comparison, left.text()->bytes.compare(right.text()->bytes), 0);
  }
  if (left.sequence() != nullptr && right.sequence() != nullptr &&
      is_list(*left.sequence()) == is_list(*right.sequence())) {
    return compare_sequences(meter, comparison, *left.sequence(), *right.sequence());
  }
  fail_order(left, right);
}

bool contains(Meter& meter, const Value& container, const Value& item) {
  meter.step();
  if (const Text* text = container.text()) {
    const Text* part = item.text();
    if (part == nullptr) {
      fail(std::string("'in <string>' requires string as left operand, not ") + type_name(item));
    }
    meter.step(static_cast<std::int64_t>(text->bytes.size() / 256));
    return find_first(text->bytes, part->bytes) != std::string_view::npos;
  }
  if (const Sequence* sequence = container.sequence()) {
    for (const Value& known : sequence->items) {
      if (identical(known, item) || equal(meter, known, item)) return true;
    }
    return false;
  }
  if (const Dict* dict = container.dict()) return dict->find(meter, item) != nullptr;
  if (const auto* view = container.get<Ref<const DictView>>()) {
    return view_contains(meter, **view, item);
  }
  if (const auto* range = container.get<Ref<const Range>>()) {
    return range_contains(meter, **range, item);
  }
  if (const auto* iterator = container.get<Ref<Iterator>>()) {
    for (Value known; (*iterator)->next(known);) {
      if (identical(known, item) || equal(meter, known, item)) return true;
    }
    return false;
  }
  if (container.undefined() != nullptr) return false;
  fail(std::string("argument of type '") + type_name(container) + "' is not iterable");
}

bool identical(const Value& left, const Value& right) {
  if (left.store().index() != right.store().index()) return false;
  return std::visit(
      [&](const auto& known) {
        using T = std::decay_t<decltype(known)>;
        if constexpr (std::is_same_v<T, Missing> || std::is_same_v<T, None>) {
          return true;
        } else {
          // Two NaNs made apart are not identical, and a NaN is never equal: false is right enough.
          return known == *right.get<T>();
        }
      },
      left.store());
}

std::size_t hash_text(std::string_view text) { return absl::Hash<std::string_view>()(text); }

std::size_t hash_value(Meter& meter, const Value& value) {
  meter.step();
  if (const Text* text = value.text()) {
    meter.step_over_bytes(text->bytes.size());
    return hash_text(text->bytes);
  }
  Integer integer;
  if (as_integer(value, integer)) return absl::Hash<long long>()(static_cast<long long>(integer));
  if (const double* real = value.get<double>()) {
    // Whole floats equal ints and so must hash like them.
    if (std::nearbyint(*real) == *real && std::fabs(*real) < 9e18) {
      return absl::Hash<long long>()(static_cast<long long>(*real));
    }
    return absl::Hash<double>()(*real);
  }
  if (value.is_none()) return 1;
  if (value.undefined() != nullptr) return 2;
  if (const Sequence* sequence = value.sequence(); sequence != nullptr && !is_list(*sequence)) {
    std::size_t hash = 3;
    for (const Value& item : sequence->items) hash = hash * 1000003 + hash_value(meter, item);
    return hash;
  }
  fail(std::string("unhashable type: '") + type_name(value) + "'");
}

}  // namespace tessera::jinja
