// Filters on single values: numbers, defaults, attributes.

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "engine/chat/arithmetic.h"
#include "engine/chat/bind.h"
#include "engine/chat/compare.h"
#include "engine/chat/evaluator.h"
#include "engine/chat/filter_tables.h"
#include "engine/chat/lookup.h"
#include "engine/chat/number_text.h"

namespace tessera::jinja {
namespace {

Value fallback(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("default", arguments, {"default_value", "boolean"});
  const bool replace = input.undefined() != nullptr || (flag_argument(bound[1]) && !truth(input));
  if (!replace) return input;
  return bound[0].is_missing() ? make_text(run.meter(), "") : bound[0];
}

Value to_int(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("int", arguments, {"default", "base"});
  const Value otherwise = bound[0].is_missing() ? make_int(0) : bound[0];
  if (const Undefined* undefined = input.undefined()) fail_undefined(*undefined);
  Integer integer;
  if (as_integer(input, integer)) return integer;
  std::optional<double> real;
  if (const double* given = input.get<double>()) real = *given;
  if (const Text* text = input.text()) {
    run.meter().step_over_bytes(text->bytes.size());
    const Integer base = integer_argument(bound[1], 10, "int's base");
    const auto read = read_integer(text->bytes, base < 0 || base > 36 ? 1 : static_cast<int>(base));
    if (read) return *read;
    real = read_float(text->bytes);
  }
  if (!real) return otherwise;
  const std::optional<Integer> whole = truncated(*real);
  return whole ? Value(*whole) : otherwise;
}

Value to_float(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("float", arguments, {"default"});
  if (const Undefined* undefined = input.undefined()) fail_undefined(*undefined);
  double number;
  if (as_number(input, number)) return number;
  if (const Text* text = input.text()) {
    run.meter().step_over_bytes(text->bytes.size());
    if (const std::optional<double> read = read_float(text->bytes)) return *read;
  }
  return bound[0].is_missing() ? Value(0.0) : bound[0];
}

Value absolute(Evaluator&, const Value& input, const Arguments& arguments) {
  bind("abs", arguments, {});
  Integer integer;
  if (as_integer(input, integer)) return integer < 0 ? negate(input) : Value(integer);
  if (const double* real = input.get<double>()) return std::fabs(*real);
  if (const Undefined* undefined = input.undefined()) fail_undefined(*undefined);
  fail(std::string("bad operand type for abs(): '") + type_name(input) + "'");
}

// Python rounds the exact decimal value half to even, as printf does.
double rounded_float(double value, Integer digits) {
  if (!std::isfinite(value) || digits > 323) return value;
  if (digits < -308) return 0.0 * value;
  if (digits >= 0) {
    char text[700];
    std::snprintf(text, sizeof text, "%.*f", static_cast<int>(digits), value);
    return std::strtod(text, nullptr);
  }
  const long double unit = std::pow(10.0L, static_cast<long double>(-digits));
  return static_cast<double>(std::nearbyint(static_cast<long double>(value) / unit) * unit);
}

Integer rounded_integer(Integer value, Integer digits) {
  if (digits >= 0) return value;
  if (digits < -37) return 0;
  Integer unit = 1;
  for (Integer done = 0; done > digits; --done) unit *= 10;
  Integer rest = value % unit, units = value / unit;
  if (rest < 0) {
    rest += unit;
    --units;
  }
  const bool up = rest * 2 > unit || (rest * 2 == unit && units % 2 != 0);
  Integer rounded;
  if (__builtin_add_overflow(value, (up ? unit : 0) - rest, &rounded)) {
    fail_unsupported("an integer beyond 128 bits");
  }
  return rounded;
}

Value round(Evaluator&, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("round", arguments, {"precision", "method"});
  const Integer digits = integer_argument(bound[0], 0, "round's precision");
  const std::string method =
      bound[1].is_missing() ? "common" : text_argument(bound[1], "round's method").bytes;
  if (method != "common" && method != "ceil" && method != "floor") {
    fail("method must be common, ceil or floor");
  }
  Integer integer;
  double number;
  if (const Undefined* undefined = input.undefined()) fail_undefined(*undefined);
  if (!as_number(input, number)) {
    fail(std::string("type ") + type_name(input) + " doesn't define __round__ method");
  }
  if (method == "common") {
    if (as_integer(input, integer)) return rounded_integer(integer, digits);
    return rounded_float(number, digits);
  }
  if (digits < -300 || digits > 300) fail_unsupported("rounding to that many digits");
  const double unit = std::pow(10.0, static_cast<double>(digits));
  const double scaled = number * unit;
  if (!std::isfinite(scaled)) fail("cannot round this float to an integer");
  return (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit;
}

Value attr(Evaluator& run, const Value& input, const Arguments& arguments) {
  const std::vector<Value> bound = bind("attr", arguments, {"name"}, 1);
  return attribute_only(run.meter(), input, text_argument(bound[0], "attr's name").bytes);
}

constexpr NamedBuiltin kFilters[] = {
    {"abs", absolute},   {"attr", attr},  {"d", fallback},  {"default", fallback},
    {"float", to_float}, {"int", to_int}, {"round", round},
};

}  // namespace

const NamedBuiltin* find_value_filter(std::string_view name) { return find_in(kFilters, name); }

}  // namespace tessera::jinja
