#include <absl/strings/str_cat.h>

#include <algorithm>

#include "engine/chat/builtins.h"
#include "engine/chat/parser.h"

namespace tessera::jinja {
namespace {

// Chains such as a + b + c make deep trees without nesting.
constexpr int kDepthMost = 200;

}  // namespace

ExprPtr Parser::make(int line, Expr::Node node) const {
  int depth = 0;
  for_each_part(node, [&](const ExprPtr& part) { depth = std::max(depth, part->depth); });
  if (depth >= kDepthMost) fail_here("an expression has too many parts in a row");
  return std::make_unique<Expr>(Expr{line, depth + 1, std::move(node)});
}

ExprPtr Parser::tuple_or_expression(bool conditional, std::string_view end_name, bool parentheses) {
  const int line = current().line;
  TupleExpr tuple;
  bool comma = false;
  while (true) {
    if (!tuple.items.empty()) expect_symbol(",");
    const bool ended = is(TokenKind::kBlockEnd) || is(TokenKind::kVariableEnd) || is_symbol(")") ||
                       (!end_name.empty() && is_name(end_name));
    if (ended) break;
    tuple.items.push_back(expression(conditional));
    if (!is_symbol(",")) break;
    comma = true;
  }
  if (!comma && !tuple.items.empty()) return std::move(tuple.items.front());
  if (!comma && !parentheses) fail_here("expected an expression");
  return make(line, std::move(tuple));
}

ExprPtr Parser::expression(bool with_conditional) {
  const Nested nested(*this);
  return with_conditional ? conditional() : disjunction();
}

ExprPtr Parser::conditional() {
  const int line = current().line;
  ExprPtr value = disjunction();
  while (skip_name("if")) {
    ExprPtr test = disjunction();
    ExprPtr otherwise;
    if (skip_name("else")) {
      const Nested nested(*this);
      otherwise = conditional();
    }
    value = make(line, Conditional{std::move(test), std::move(value), std::move(otherwise)});
  }
  return value;
}

ExprPtr Parser::disjunction() {
  const int line = current().line;
  ExprPtr left = conjunction();
  while (skip_name("or")) left = make(line, Logic{false, std::move(left), conjunction()});
  return left;
}

ExprPtr Parser::conjunction() {
  const int line = current().line;
  ExprPtr left = negation();
  while (skip_name("and")) left = make(line, Logic{true, std::move(left), negation()});
  return left;
}

ExprPtr Parser::negation() {
  const int line = current().line;
  if (!skip_name("not")) return comparison();
  const Nested nested(*this);
  return make(line, Unary{Unary::Op::kNot, negation()});
}

bool Parser::comparison_operator(Compare::Op& op) {
  static constexpr std::pair<std::string_view, Comparison> kSymbols[] = {
      {"==", Comparison::kEqual},  {"!=", Comparison::kNotEqual},
      {"<", Comparison::kLess},    {"<=", Comparison::kLessEqual},
      {">", Comparison::kGreater}, {">=", Comparison::kGreaterEqual}};
  for (const auto& [symbol, comparison] : kSymbols) {
    if (skip_symbol(symbol)) {
      op = comparison;
      return true;
    }
  }
  if (skip_name("in")) {
    op = Compare::In{};
    return true;
  }
  if (is_name("not") && ahead().kind == TokenKind::kName && ahead().text == "in") {
    next();
    next();
    op = Compare::NotIn{};
    return true;
  }
  return false;
}

ExprPtr Parser::comparison() {
  const int line = current().line;
  ExprPtr first = sum();
  std::vector<std::pair<Compare::Op, ExprPtr>> rest;
  for (Compare::Op op; comparison_operator(op);) rest.emplace_back(op, sum());
  if (rest.empty()) return first;
  return make(line, Compare{std::move(first), std::move(rest)});
}

ExprPtr Parser::sum() {
  const int line = current().line;
  ExprPtr left = concatenation();
  while (is_symbol("+") || is_symbol("-")) {
    const BinaryOp op = next().text == "+" ? BinaryOp::kAdd : BinaryOp::kSub;
    left = make(line, Binary{op, std::move(left), concatenation()});
  }
  return left;
}

ExprPtr Parser::concatenation() {
  const int line = current().line;
  ExprPtr first = product();
  if (!is_symbol("~")) return first;
  Concat concat;
  concat.items.push_back(std::move(first));
  while (skip_symbol("~")) concat.items.push_back(product());
  return make(line, std::move(concat));
}

ExprPtr Parser::product() {
  const int line = current().line;
  ExprPtr left = power();
  while (is_symbol("*") || is_symbol("/") || is_symbol("//") || is_symbol("%")) {
    const std::string& symbol = next().text;
    const BinaryOp op = symbol == "*"    ? BinaryOp::kMul
                        : symbol == "/"  ? BinaryOp::kDiv
                        : symbol == "//" ? BinaryOp::kFloorDiv
                                         : BinaryOp::kMod;
    left = make(line, Binary{op, std::move(left), power()});
  }
  return left;
}

ExprPtr Parser::power() {
  const int line = current().line;
  ExprPtr left = unary(true);
  while (skip_symbol("**")) left = make(line, Binary{BinaryOp::kPow, std::move(left), unary(true)});
  return left;
}

ExprPtr Parser::unary(bool filters) {
  const int line = current().line;
  ExprPtr operand;
  if (is_symbol("-") || is_symbol("+")) {
    const Nested nested(*this);
    const Unary::Op op = next().text == "-" ? Unary::Op::kMinus : Unary::Op::kPlus;
    operand = make(line, Unary{op, unary(false)});
  } else {
    operand = primary();
  }
  operand = postfix(std::move(operand));
  return filters ? filters_and_tests(std::move(operand)) : std::move(operand);
}

ExprPtr Parser::primary() {
  const int line = current().line;
  if (is(TokenKind::kName)) return name_or_literal();
  if (is(TokenKind::kNumber)) return make(line, Const{next().number});
  if (is(TokenKind::kString)) {
    std::string text;
    while (is(TokenKind::kString)) text += next().text;
    return make(line, Const{make_constant_text(std::move(text))});
  }
  if (skip_symbol("(")) {
    ExprPtr inner = tuple_or_expression(true, "", true);
    expect_symbol(")");
    return inner;
  }
  if (is_symbol("[")) return list_literal();
  if (is_symbol("{")) return dict_literal();
  fail_here("expected an expression");
}

ExprPtr Parser::name_or_literal() {
  const int line = current().line;
  const std::string name = next().text;
  if (name == "true" || name == "True") return make(line, Const{true});
  if (name == "false" || name == "False") return make(line, Const{false});
  if (name == "none" || name == "None") return make(line, Const{None{}});
  return make(line, Name{name});
}

ExprPtr Parser::list_literal() {
  const int line = next().line;
  ListExpr list;
  while (!is_symbol("]")) {
    if (!list.items.empty()) expect_symbol(",");
    if (is_symbol("]")) break;
    list.items.push_back(expression());
  }
  expect_symbol("]");
  return make(line, std::move(list));
}

ExprPtr Parser::dict_literal() {
  const int line = next().line;
  DictExpr dict;
  while (!is_symbol("}")) {
    if (!dict.items.empty()) expect_symbol(",");
    if (is_symbol("}")) break;
    ExprPtr key = expression();
    expect_symbol(":");
    ExprPtr value = expression();
    dict.items.emplace_back(std::move(key), std::move(value));
  }
  expect_symbol("}");
  return make(line, std::move(dict));
}

ExprPtr Parser::postfix(ExprPtr object) {
  while (true) {
    if (is_symbol(".")) {
      object = attribute(std::move(object));
    } else if (is_symbol("[")) {
      object = subscript(std::move(object));
    } else if (is_symbol("(")) {
      object = call(std::move(object));
    } else {
      return object;
    }
  }
}

ExprPtr Parser::filters_and_tests(ExprPtr input) {
  while (true) {
    if (is_symbol("|")) {
      input = filter_chain(std::move(input));
    } else if (is_name("is")) {
      input = test(std::move(input));
    } else if (is_symbol("(")) {
      input = call(std::move(input));
    } else {
      return input;
    }
  }
}

ExprPtr Parser::attribute(ExprPtr object) {
  const int line = next().line;
  if (is(TokenKind::kName)) return make(line, GetAttribute{std::move(object), next().text});
  if (!is(TokenKind::kNumber) || !current().number.is<Integer>()) {
    fail_here("expected a name or number");
  }
  ExprPtr key = make(line, Const{next().number});
  return make(line, GetItem{std::move(object), std::move(key)});
}

ExprPtr Parser::subscript(ExprPtr object) {
  const int line = next().line;
  if (is_symbol(":")) return slice(std::move(object), nullptr, line);
  TupleExpr keys;
  while (!is_symbol("]")) {
    if (!keys.items.empty()) expect_symbol(",");
    keys.items.push_back(expression());
    if (is_symbol(":")) {
      if (keys.items.size() > 1) unsupported_here("a slice among several subscripts");
      return slice(std::move(object), std::move(keys.items.front()), line);
    }
  }
  expect_symbol("]");
  if (keys.items.size() == 1) {
    return make(line, GetItem{std::move(object), std::move(keys.items.front())});
  }
  return make(line, GetItem{std::move(object), make(line, std::move(keys))});
}

ExprPtr Parser::slice(ExprPtr object, ExprPtr start, int line) {
  GetSlice slice;
  slice.object = std::move(object);
  slice.start = std::move(start);
  expect_symbol(":");
  if (!is_symbol(":") && !is_symbol("]") && !is_symbol(",")) slice.stop = expression();
  if (skip_symbol(":") && !is_symbol("]") && !is_symbol(",")) slice.step = expression();
  if (is_symbol(",")) unsupported_here("a slice among several subscripts");
  expect_symbol("]");
  return make(line, std::move(slice));
}

ExprPtr Parser::call(ExprPtr callee) {
  const int line = current().line;
  CallArguments given = arguments();
  return make(line, Call{std::move(callee), std::move(given)});
}

CallArguments Parser::arguments() {
  CallArguments given;
  const int line = current().line;
  expect_symbol("(");
  bool first = true;
  while (!is_symbol(")")) {
    if (!first) {
      expect_symbol(",");
      if (is_symbol(")")) break;
    }
    first = false;
    argument(given, line);
  }
  expect_symbol(")");
  return given;
}

void Parser::argument(CallArguments& given, int line) {
  const auto ensure = [&](bool ordered) {
    if (!ordered) {
      throw Failure(absl::StatusCode::kInvalidArgument, "arguments in a wrong order", line);
    }
  };
  if (skip_symbol("*")) {
    ensure(!given.star && !given.double_star);
    given.star = expression();
  } else if (skip_symbol("**")) {
    ensure(!given.double_star);
    given.double_star = expression();
  } else if (is(TokenKind::kName) && ahead().kind == TokenKind::kSymbol && ahead().text == "=") {
    ensure(!given.double_star);
    const std::string name = next().text;
    next();
    for (const auto& [known, value] : given.named) ensure(known != name);
    given.named.emplace_back(name, expression());
  } else {
    ensure(!given.star && !given.double_star && given.named.empty());
    given.positional.push_back(expression());
  }
}

std::string Parser::dotted_name() {
  std::string name = expect_any_name();
  while (skip_symbol(".")) absl::StrAppend(&name, ".", expect_any_name());
  return name;
}

ExprPtr Parser::filter(ExprPtr input) {
  const int line = current().line;
  const std::size_t name_at = at_;
  Apply apply;
  apply.name = dotted_name();
  const std::optional<Builtin> function = find_filter(apply.name);
  if (!function) {
    at_ = name_at;
    unsupported_here(absl::StrCat("the filter '", apply.name.substr(0, 40), "'"));
  }
  apply.function = *function;
  apply.input = std::move(input);
  if (is_symbol("(")) apply.arguments = arguments();
  return make(line, std::move(apply));
}

ExprPtr Parser::filter_chain(ExprPtr input) {
  while (skip_symbol("|")) input = filter(std::move(input));
  return input;
}

ExprPtr Parser::test(ExprPtr input) {
  const int line = next().line;
  const bool negated = skip_name("not");
  const std::size_t name_at = at_;
  Apply apply;
  apply.name = dotted_name();
  const std::optional<Builtin> function = find_test(apply.name);
  if (!function) {
    at_ = name_at;
    unsupported_here(absl::StrCat("the test '", apply.name.substr(0, 40), "'"));
  }
  apply.function = *function;
  apply.input = std::move(input);
  const bool starts_argument = is(TokenKind::kName) || is(TokenKind::kString) ||
                               is(TokenKind::kNumber) || is_symbol("[") || is_symbol("{");
  if (is_symbol("(")) {
    apply.arguments = arguments();
  } else if (starts_argument && !is_name("else") && !is_name("or") && !is_name("and")) {
    if (is_name("is")) fail_here("cannot chain multiple tests with is");
    apply.arguments.positional.push_back(postfix(primary()));
  }
  ExprPtr applied = make(line, std::move(apply));
  return negated ? make(line, Unary{Unary::Op::kNot, std::move(applied)}) : std::move(applied);
}

}  // namespace tessera::jinja
