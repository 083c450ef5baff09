// The tests of `is`, and the lookup of filters and tests by name.

#include <array>

#include "engine/chat/arithmetic.h"
#include "engine/chat/bind.h"
#include "engine/chat/compare.h"
#include "engine/chat/evaluator.h"
#include "engine/chat/filter_tables.h"
#include "engine/chat/iterate.h"
#include "engine/chat/print.h"
#include "engine/chat/text_edit.h"
#include "engine/chat/unicode.h"

namespace tessera::jinja {
namespace {

// A test without arguments that only looks at the kind of value.
template <bool (*holds)(const Value&)>
Value kind(Evaluator&, const Value& input, const Arguments& arguments) {
  bind("this test", arguments, {});
  return holds(input);
}

bool is_defined(const Value& value) { return value.undefined() == nullptr; }
bool is_undefined(const Value& value) { return value.undefined() != nullptr; }
bool is_none(const Value& value) { return value.is_none(); }
bool is_boolean(const Value& value) { return value.is<bool>(); }
bool is_true(const Value& value) { return value.is<bool>() && truth(value); }
bool is_false(const Value& value) { return value.is<bool>() && !truth(value); }
bool is_integer(const Value& value) { return value.is<Integer>(); }
bool is_float(const Value& value) { return value.is<double>(); }
bool is_number(const Value& value) {
  return is_boolean(value) || is_integer(value) || is_float(value);
}
bool is_string(const Value& value) { return value.text() != nullptr; }
bool is_mapping(const Value& value) { return value.dict() != nullptr; }
bool is_sequence(const Value& value) {
  return length_or_none(value) >= 0 && !value.is<Ref<const DictView>>();
}
bool is_escaped(const Value& value) { return value.text() != nullptr && value.text()->markup; }
bool is_callable(const Value& value) {
  return value.is<Ref<const Macro>>() || value.is<Ref<const Callable>>() || value.is<Ref<Loop>>() ||
         is_undefined(value);
}

Value remainder(Evaluator& run, const Value& input, const Value& divisor) {
  return binary(run.meter(), BinaryOp::kMod, input, divisor);
}

template <int rest>
Value parity(Evaluator& run, const Value& input, const Arguments& arguments) {
  bind("odd or even", arguments, {});
  return equal(run.meter(), remainder(run, input, make_int(2)), make_int(rest));
}

Value divisible(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("divisibleby", arguments, {"num"}, 1);
  return equal(run.meter(), remainder(run, input, bound[0]), make_int(0));
}

template <std::uint32_t wanted, std::uint32_t other>
Value cased(Evaluator& run, const Value& input, const Arguments& arguments) {
  bind("lower or upper", arguments, {});
  const Value text = make_text(run.meter(), to_str(run.meter(), input));
  return text_is_cased(run.meter(), *text.text(), wanted, other);
}

template <Comparison comparison>
Value compares(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind_positional("a comparison", arguments, 1, 1);
  return compare(run.meter(), comparison, input, bound[0]);
}

Value is_in(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("in", arguments, {"seq"}, 1);
  return contains(run.meter(), bound[0], input);
}

Value is_same(Evaluator&, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("sameas", arguments, {"other"}, 1);
  if (input.text() != nullptr && bound[0].text() != nullptr) {
    fail_unsupported("'sameas' between strings");
  }
  return identical(input, bound[0]);
}

Value names_filter(Evaluator&, const Value& input, const Arguments& arguments) {
  bind("filter", arguments, {});
  return input.text() != nullptr && find_filter(input.text()->bytes).has_value();
}

Value names_test(Evaluator&, const Value& input, const Arguments& arguments) {
  bind("test", arguments, {});
  return input.text() != nullptr && find_test(input.text()->bytes).has_value();
}

constexpr NamedBuiltin kTests[] = {
    {"!=", compares<Comparison::kNotEqual>},
    {"<", compares<Comparison::kLess>},
    {"<=", compares<Comparison::kLessEqual>},
    {"==", compares<Comparison::kEqual>},
    {">", compares<Comparison::kGreater>},
    {">=", compares<Comparison::kGreaterEqual>},
    {"boolean", kind<is_boolean>},
    {"callable", kind<is_callable>},
    {"defined", kind<is_defined>},
    {"divisibleby", divisible},
    {"eq", compares<Comparison::kEqual>},
    {"equalto", compares<Comparison::kEqual>},
    {"escaped", kind<is_escaped>},
    {"even", parity<0>},
    {"false", kind<is_false>},
    {"filter", names_filter},
    {"float", kind<is_float>},
    {"ge", compares<Comparison::kGreaterEqual>},
    {"greaterthan", compares<Comparison::kGreater>},
    {"gt", compares<Comparison::kGreater>},
    {"in", is_in},
    {"integer", kind<is_integer>},
    {"iterable", kind<iterable>},
    {"le", compares<Comparison::kLessEqual>},
    {"lessthan", compares<Comparison::kLess>},
    {"lower", cased<kLower, kUpper | kTitle>},
    {"lt", compares<Comparison::kLess>},
    {"mapping", kind<is_mapping>},
    {"ne", compares<Comparison::kNotEqual>},
    {"none", kind<is_none>},
    {"number", kind<is_number>},
    {"odd", parity<1>},
    {"sameas", is_same},
    {"sequence", kind<is_sequence>},
    {"string", kind<is_string>},
    {"test", names_test},
    {"true", kind<is_true>},
    {"undefined", kind<is_undefined>},
    {"upper", cased<kUpper, kLower | kTitle>},
};

}  // namespace

std::optional<Builtin> find_test(std::string_view name) {
  const NamedBuiltin* found = find_in(kTests, name);
  return found == nullptr ? std::nullopt : std::optional<Builtin>(found->function);
}

std::optional<Builtin> find_filter(std::string_view name) {
  for (const auto find : {find_text_filter, find_value_filter, find_sequence_filter,
                          find_order_filter, find_choice_filter}) {
    if (const NamedBuiltin* found = find(name)) return found->function;
  }
  return std::nullopt;
}

}  // namespace tessera::jinja
