#include <algorithm>

#include "engine/chat/builtins.h"
#include "engine/chat/parser.h"

namespace tessera::jinja {
namespace {

// Statements and expressions inside each other. An ASan build needs about 40 KiB of stack a level.
constexpr int kNestingMost = 100;

constexpr std::string_view kUnsupportedTags[] = {"block",  "extends", "include",
                                                 "import", "from",    "autoescape"};

}  // namespace

Parser::Nested::Nested(Parser& parser) : parser_(parser) {
  if (++parser.nesting_ > kNestingMost) parser.fail_here("the template is nested too deeply");
}

Template parse_template(std::string_view source) { return Parser(tokenize(source)).run(); }

Template Parser::run() {
  Template parsed;
  parsed.body = body_until({});
  return parsed;
}

const Token& Parser::next() {
  const Token& token = tokens_[at_];
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool Parser::is_symbol(std::string_view symbol) const {
  return is(TokenKind::kSymbol) && current().text == symbol;
}

bool Parser::is_name(std::string_view name) const {
  return is(TokenKind::kName) && current().text == name;
}

bool Parser::skip_symbol(std::string_view symbol) {
  const bool found = is_symbol(symbol);
  if (found) next();
  return found;
}

bool Parser::skip_name(std::string_view name) {
  const bool found = is_name(name);
  if (found) next();
  return found;
}

void Parser::expect_symbol(std::string_view symbol) {
  if (!skip_symbol(symbol)) fail_here("expected '" + std::string(symbol) + "'");
}

void Parser::expect_name(std::string_view name) {
  if (!skip_name(name)) fail_here("expected '" + std::string(name) + "'");
}

std::string Parser::expect_any_name() {
  if (!is(TokenKind::kName)) fail_here("expected a name");
  return next().text;
}

void Parser::expect(TokenKind kind) {
  if (!is(kind)) {
    fail_here(kind == TokenKind::kBlockEnd      ? "expected the end of the statement"
              : kind == TokenKind::kVariableEnd ? "expected the end of the print statement"
                                                : "unexpected token");
  }
  next();
}

void Parser::fail_here(const std::string& message) const {
  std::string found;
  switch (current().kind) {
    case TokenKind::kEnd:
      found = "the end of the template";
      break;
    case TokenKind::kVariableEnd:
      found = "}}";
      break;
    case TokenKind::kBlockEnd:
      found = "%}";
      break;
    default:
      found = "'" + current().text.substr(0, 40) + "'";
  }
  throw Failure(absl::StatusCode::kInvalidArgument, message + ", found " + found, current().line);
}

void Parser::unsupported_here(const std::string& construct) const {
  throw Failure(absl::StatusCode::kUnimplemented, "not supported: " + construct, current().line);
}

Body Parser::body_until(const std::vector<std::string_view>& ends) {
  const Nested nested(*this);
  Body body;
  Output output;
  int output_line = 0;
  const auto flush = [&] {
    if (!output.parts.empty()) body.push_back(make_statement(output_line, std::move(output)));
    output = Output();
  };
  while (!is(TokenKind::kEnd)) {
    const Token& token = next();
    if (output.parts.empty()) output_line = token.line;
    if (token.kind == TokenKind::kText) {
      output.parts.push_back({token.text, nullptr});
    } else if (token.kind == TokenKind::kVariableBegin) {
      output.parts.push_back({"", tuple_or_expression(true, "", false)});
      expect(TokenKind::kVariableEnd);
    } else {
      flush();
      if (is(TokenKind::kName) &&
          std::find(ends.begin(), ends.end(), current().text) != ends.end()) {
        return body;
      }
      body.push_back(statement());
      expect(TokenKind::kBlockEnd);
    }
  }
  flush();
  if (!ends.empty()) fail_here("expected {% " + std::string(ends.back()) + " %}");
  return body;
}

Body Parser::block_body(const std::vector<std::string_view>& ends) {
  skip_symbol(":");
  expect(TokenKind::kBlockEnd);
  return body_until(ends);
}

Body Parser::block_body_closed(std::string_view end) {
  Body body = block_body({end});
  next();
  return body;
}

// The body of a macro or call block: break and continue do not reach out of it.
Body Parser::function_body(std::string_view end) {
  const int loops = std::exchange(loops_, 0);
  Body body = block_body_closed(end);
  loops_ = loops;
  return body;
}

std::unique_ptr<Stmt> Parser::make_statement(int line, Stmt::Node node) {
  return std::make_unique<Stmt>(Stmt{line, std::move(node)});
}

std::unique_ptr<Stmt> Parser::statement() {
  const int line = current().line;
  if (!is(TokenKind::kName)) fail_here("expected the name of a statement");
  const std::string tag = current().text;
  for (std::string_view unsupported : kUnsupportedTags) {
    if (tag == unsupported) unsupported_here("the statement {% " + tag + " %}");
  }
  next();
  return make_statement(line, named_statement(tag));
}

Stmt::Node Parser::named_statement(const std::string& tag) {
  if (tag == "for") return for_statement();
  if (tag == "if") return if_statement();
  if (tag == "set") return set_statement();
  if (tag == "macro") return macro_statement();
  if (tag == "call") return call_block();
  if (tag == "filter") return filter_block();
  if (tag == "with") return with_statement();
  if (tag == "print") return print_statement();
  if (tag == "generation") return Generation{function_body("endgeneration"), {}};
  if (tag == "break" || tag == "continue") return loop_control(tag);
  --at_;
  fail_here("unknown statement {% " + tag.substr(0, 40) + " %}");
}

Stmt::Node Parser::loop_control(const std::string& tag) {
  if (loops_ == 0) fail_here("{% " + tag + " %} outside of a loop");
  if (tag == "break") return Break{};
  return Continue{};
}

Stmt::Node Parser::for_statement() {
  For loop;
  ++loops_;
  const std::size_t target_at = at_;
  loop.target = target(false, "in");
  // The filter runs in a scope of its own, so it gets a target of its own.
  const std::size_t behind = at_;
  at_ = target_at;
  loop.filter_target = target(false, "in");
  at_ = behind;
  --loops_;
  expect_name("in");
  loop.items = tuple_or_expression(false, "recursive", false);
  if (skip_name("if")) loop.filter = expression();
  if (is_name("recursive")) unsupported_here("a recursive loop");
  ++loops_;
  loop.body = block_body({"endfor", "else"});
  --loops_;
  if (next().text == "else") loop.otherwise = block_body_closed("endfor");
  return loop;
}

Stmt::Node Parser::if_statement() {
  If choice;
  while (true) {
    If::Branch branch;
    branch.test = tuple_or_expression(false, "", false);
    branch.body = block_body({"elif", "else", "endif"});
    choice.branches.push_back(std::move(branch));
    const std::string tag = next().text;
    if (tag == "elif") continue;
    if (tag == "else") choice.otherwise = block_body_closed("endif");
    return choice;
  }
}

Stmt::Node Parser::set_statement() {
  Target assigned = target(true, "");
  if (skip_symbol("=")) return Set{std::move(assigned), tuple_or_expression(true, "", false)};
  SetBlock block;
  block.target = std::move(assigned);
  if (is_symbol("|")) block.filter = filter_chain(nullptr);
  block.body = block_body_closed("endset");
  return block;
}

std::vector<MacroDef::Parameter> Parser::signature() {
  std::vector<MacroDef::Parameter> parameters;
  expect_symbol("(");
  while (!is_symbol(")")) {
    if (!parameters.empty()) expect_symbol(",");
    MacroDef::Parameter parameter;
    parameter.name = expect_any_name();
    check_target_name(parameter.name);
    for (const MacroDef::Parameter& other : parameters) {
      if (other.name == parameter.name) fail_here("duplicate argument '" + other.name + "'");
    }
    if (skip_symbol("=")) {
      parameter.fallback = expression();
    } else if (!parameters.empty() && parameters.back().fallback != nullptr) {
      fail_here("non-default argument follows default argument");
    }
    parameters.push_back(std::move(parameter));
  }
  next();
  return parameters;
}

Stmt::Node Parser::macro_statement() {
  MacroStmt statement;
  statement.macro.name = expect_any_name();
  check_target_name(statement.macro.name);
  statement.macro.parameters = signature();
  statement.macro.body = function_body("endmacro");
  return statement;
}

Stmt::Node Parser::call_block() {
  CallBlock block;
  if (is_symbol("(")) block.body.parameters = signature();
  block.call = expression();
  if (!std::holds_alternative<Call>(block.call->node)) fail_here("expected a call");
  block.body.body = function_body("endcall");
  return block;
}

Stmt::Node Parser::filter_block() {
  FilterBlock block;
  block.filter = filter_chain(filter(nullptr));
  block.body = block_body_closed("endfilter");
  return block;
}

Stmt::Node Parser::with_statement() {
  With block;
  while (!is(TokenKind::kBlockEnd)) {
    if (!block.items.empty()) expect_symbol(",");
    Target assigned = target(false, "");
    expect_symbol("=");
    block.items.emplace_back(std::move(assigned), expression());
  }
  block.body = block_body_closed("endwith");
  return block;
}

Stmt::Node Parser::print_statement() {
  Output output;
  while (!is(TokenKind::kBlockEnd)) {
    if (!output.parts.empty()) expect_symbol(",");
    output.parts.push_back({"", expression()});
  }
  return output;
}

Target Parser::target(bool attributes, std::string_view end_name) {
  const Nested nested(*this);
  TupleTarget tuple;
  bool comma = false;
  while (true) {
    if (!tuple.items.empty()) expect_symbol(",");
    const bool ended = is(TokenKind::kBlockEnd) || is(TokenKind::kVariableEnd) || is_symbol(")") ||
                       (!end_name.empty() && is_name(end_name));
    if (ended) break;
    tuple.items.push_back(target_item(attributes));
    if (!is_symbol(",")) break;
    comma = true;
  }
  if (tuple.items.empty() && !comma) fail_here("expected a name to assign to");
  if (!comma) return std::move(tuple.items.front());
  return Target{std::move(tuple)};
}

Target Parser::target_item(bool attributes) {
  if (skip_symbol("(")) {
    Target inner = target(false, "");
    expect_symbol(")");
    return inner;
  }
  if (!is(TokenKind::kName)) fail_here("expected a name to assign to");
  const std::string name = next().text;
  check_target_name(name);
  if (attributes && skip_symbol(".")) return Target{AttributeTarget{name, expect_any_name()}};
  return Target{NameTarget{name}};
}

void Parser::check_target_name(const std::string& name) const {
  static constexpr std::string_view kLiterals[] = {"true", "false", "none",
                                                   "True", "False", "None"};
  for (std::string_view literal : kLiterals) {
    if (name == literal) fail_here("can't assign to '" + name + "'");
  }
  if (name == "loop" && loops_ > 0) fail_here("can't assign to the special variable 'loop'");
}

}  // namespace tessera::jinja
