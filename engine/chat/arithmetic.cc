#include "engine/chat/arithmetic.h"

#include <cmath>

#include "engine/chat/format.h"

namespace tessera::jinja {
namespace {

const char* symbol(BinaryOp op) {
  switch (op) {
    case BinaryOp::kAdd:
      return "+";
    case BinaryOp::kSub:
      return "-";
    case BinaryOp::kMul:
      return "*";
    case BinaryOp::kDiv:
      return "/";
    case BinaryOp::kFloorDiv:
      return "//";
    case BinaryOp::kMod:
      return "%";
    case BinaryOp::kPow:
      return "**";
  }
  return "?";
}

[[noreturn]] void fail_operands(BinaryOp op, const Value& left, const Value& right) {
  for (const Value* side : {&left, &right}) {
    if (const Undefined* undefined = side->undefined()) fail_undefined(*undefined);
  }
  fail(std::string("unsupported operand type(s) for ") + symbol(op) + ": '" + type_name(left) +
       "' and '" + type_name(right) + "'");
}

[[noreturn]] void fail_overflow() { fail_unsupported("an integer beyond 128 bits"); }
[[noreturn]] void fail_zero() { fail("division by zero"); }

Integer floor_divide(Integer left, Integer right) {
  const Integer quotient = left / right;
  return left % right != 0 && (left < 0) != (right < 0) ? quotient - 1 : quotient;
}

Value real_power(double base, double exponent) {
  if (base == 0 && exponent < 0) fail("0.0 cannot be raised to a negative power");
  if (base < 0 && std::floor(exponent) != exponent) fail_unsupported("complex numbers");
  const double result = std::pow(base, exponent);
  if (std::isinf(result) && std::isfinite(base) && std::isfinite(exponent)) {
    fail("numerical result out of range");
  }
  return result;
}

Value power(Integer base, Integer exponent) {
  if (exponent < 0) {
    if (base == 0) fail("0.0 cannot be raised to a negative power");
    return real_power(static_cast<double>(base), static_cast<double>(exponent));
  }
  Integer result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) fail_overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) fail_overflow();
  }
  return result;
}

Value integers(BinaryOp op, Integer left, Integer right) {
  Integer result = 0;
  switch (op) {
    case BinaryOp::kAdd:
      if (__builtin_add_overflow(left, right, &result)) fail_overflow();
      return result;
    case BinaryOp::kSub:
      if (__builtin_sub_overflow(left, right, &result)) fail_overflow();
      return result;
    case BinaryOp::kMul:
      if (__builtin_mul_overflow(left, right, &result)) fail_overflow();
      return result;
    case BinaryOp::kPow:
      return power(left, right);
    default:
      break;
  }
  if (right == 0) fail_zero();
  if (op == BinaryOp::kDiv) {
    return static_cast<double>(static_cast<long double>(left) / static_cast<long double>(right));
  }
  // The one quotient that does not fit: the least integer divided by -1.
  if (right == -1)
    return op == BinaryOp::kMod ? Value(Integer{0}) : integers(BinaryOp::kSub, 0, left);
  const Integer quotient = floor_divide(left, right);
  return op == BinaryOp::kFloorDiv ? quotient : left - quotient * right;
}

Value floats(BinaryOp op, double left, double right) {
  switch (op) {
    case BinaryOp::kAdd:
      return left + right;
    case BinaryOp::kSub:
      return left - right;
    case BinaryOp::kMul:
      return left * right;
    case BinaryOp::kPow:
      return real_power(left, right);
    default:
      break;
  }
  if (right == 0) fail_zero();
  if (op == BinaryOp::kDiv) return left / right;
  double rest = std::fmod(left, right);
  if (rest != 0 && (rest < 0) != (right < 0)) rest += right;
  if (op == BinaryOp::kMod) return rest == 0 ? std::copysign(0.0, right) : rest;
  const double quotient = (left - rest) / right;
  if (quotient == 0) return std::copysign(0.0, left / right);
  const double floor = std::floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

Value add_texts(Meter& meter, const Text& left, const Text& right) {
  meter.expect_room(left.bytes.size() + right.bytes.size());
  if (left.markup == right.markup) return make_text(meter, left.bytes + right.bytes, left.markup);
  return make_text(
      meter,
      left.markup ? left.bytes + escape_html(right.bytes) : escape_html(left.bytes) + right.bytes,
      true);
}

Value add_sequences(Meter& meter, const Sequence& left, const Sequence& right) {
  meter.expect_room((left.items.size() + right.items.size()) * sizeof(Value));
  std::vector<Value> items = left.items;
  items.insert(items.end(), right.items.begin(), right.items.end());
  const bool list = left.form == Sequence::Form::kList;
  return list ? make_list(meter, std::move(items)) : make_tuple(meter, std::move(items));
}

// The number of copies `text * count` makes, 0 when negative; fails when `size` bytes each are too
// many to keep.
std::size_t copies(Meter& meter, Integer count, std::size_t size) {
  if (count <= 0 || size == 0) return 0;
  const Integer total = count > (Integer{1} << 62) ? Integer{1} << 62 : count;
  const Integer bytes = total * static_cast<Integer>(size);
  meter.expect_room(bytes > (Integer{1} << 62) ? std::size_t{1} << 62
                                               : static_cast<std::size_t>(bytes));
  return static_cast<std::size_t>(total);
}

Value repeat(Meter& meter, const Value& value, Integer count) {
  if (const Text* text = value.text()) {
    std::string out;
    const std::size_t times = copies(meter, count, text->bytes.size());
    out.reserve(times * text->bytes.size());
    for (std::size_t done = 0; done < times; ++done) out += text->bytes;
    return make_text(meter, std::move(out), text->markup);
  }
  const Sequence& sequence = *value.sequence();
  std::vector<Value> items;
  const std::size_t times = copies(meter, count, sequence.items.size() * sizeof(Value));
  meter.step(static_cast<std::int64_t>(times));
  for (std::size_t done = 0; done < times; ++done) {
    items.insert(items.end(), sequence.items.begin(), sequence.items.end());
  }
  const bool list = sequence.form == Sequence::Form::kList;
  return list ? make_list(meter, std::move(items)) : make_tuple(meter, std::move(items));
}

bool repeatable(const Value& value) {
  return value.text() != nullptr || value.sequence() != nullptr;
}

}  // namespace

Value binary(Meter& meter, BinaryOp op, const Value& left, const Value& right) {
  Integer a, b;
  const bool left_integer = as_integer(left, a), right_integer = as_integer(right, b);
  if (left_integer && right_integer) return integers(op, a, b);
  double x, y;
  if (as_number(left, x) && as_number(right, y)) return floats(op, x, y);
  if (op == BinaryOp::kMod && left.text() != nullptr) {
    return format_percent(meter, *left.text(), right);
  }
  if (op == BinaryOp::kAdd) {
    if (left.text() != nullptr && right.text() != nullptr) {
      return add_texts(meter, *left.text(), *right.text());
    }
    const Sequence *first = left.sequence(), *second = right.sequence();
    if (first != nullptr && second != nullptr &&
        (first->form == Sequence::Form::kList) == (second->form == Sequence::Form::kList)) {
      return add_sequences(meter, *first, *second);
    }
  }
  if (op == BinaryOp::kMul && repeatable(left) && right_integer) return repeat(meter, left, b);
  if (op == BinaryOp::kMul && left_integer && repeatable(right)) return repeat(meter, right, a);
  fail_operands(op, left, right);
}

Value negate(const Value& value) {
  Integer integer;
  if (as_integer(value, integer)) return integers(BinaryOp::kSub, 0, integer);
  if (const double* real = value.get<double>()) return -*real;
  if (const Undefined* undefined = value.undefined()) fail_undefined(*undefined);
  fail(std::string("bad operand type for unary -: '") + type_name(value) + "'");
}

Value plus(const Value& value) {
  Integer integer;
  if (as_integer(value, integer)) return integer;
  if (value.is<double>()) return value;
  if (const Undefined* undefined = value.undefined()) fail_undefined(*undefined);
  fail(std::string("bad operand type for unary +: '") + type_name(value) + "'");
}

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char byte : text) {
    switch (byte) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += byte;
    }
  }
  return out;
}

}  // namespace tessera::jinja
