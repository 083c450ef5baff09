// Turns tokens into a Template. Recursive descent after Jinja's own grammar; nesting is bounded, so
// hostile templates cannot exhaust the stack here or in any later walk of the tree. Used once per
// template, at load, by parse_template below.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/chat/ast.h"
#include "engine/chat/lexer.h"

namespace tessera::jinja {

// Names live nowhere yet: see resolve_names in scope.h. Throws Failure with a line:
// kInvalidArgument for what Jinja refuses too, kUnimplemented for what lies outside the subset.
Template parse_template(std::string_view source);

// The cursor and the grammar; parse_statement.cc and parse_expression.cc hold its two halves.
class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
  Template run();

 private:
  struct Nested;

  // --- tokens ---
  const Token& current() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& next();  // the current token, which is left behind
  bool is(TokenKind kind) const { return current().kind == kind; }
  bool is_symbol(std::string_view symbol) const;
  bool is_name(std::string_view name) const;
  bool skip_symbol(std::string_view symbol);
  bool skip_name(std::string_view name);
  void expect_symbol(std::string_view symbol);
  void expect_name(std::string_view name);
  std::string expect_any_name();
  void expect(TokenKind kind);
  [[noreturn]] void fail_here(const std::string& message) const;
  [[noreturn]] void unsupported_here(const std::string& construct) const;

  // --- statements ---
  // Statements up to a tag with one of these names, which becomes the current token.
  Body body_until(const std::vector<std::string_view>& ends);
  Body block_body(const std::vector<std::string_view>& ends);  // ... after this tag's own %}
  Body block_body_closed(std::string_view end);                // ... and the end name is skipped
  std::unique_ptr<Stmt> statement();
  std::unique_ptr<Stmt> make_statement(int line, Stmt::Node node);
  Stmt::Node named_statement(const std::string& tag);
  Stmt::Node for_statement();
  Stmt::Node if_statement();
  Stmt::Node set_statement();
  Stmt::Node macro_statement();
  Stmt::Node call_block();
  Stmt::Node filter_block();
  Stmt::Node with_statement();
  Stmt::Node print_statement();
  Stmt::Node loop_control(const std::string& tag);
  std::vector<MacroDef::Parameter> signature();
  Body function_body(std::string_view end);

  // --- targets ---
  Target target(bool attributes, std::string_view end_name);
  Target target_item(bool attributes);
  void check_target_name(const std::string& name) const;

  // --- expressions ---
  ExprPtr make(int line, Expr::Node node) const;
  // One expression, or several with commas, which make a tuple.
  ExprPtr tuple_or_expression(bool conditional, std::string_view end_name, bool parentheses);
  ExprPtr expression(bool conditional = true);
  ExprPtr conditional();
  ExprPtr disjunction();
  ExprPtr conjunction();
  ExprPtr negation();
  ExprPtr comparison();
  bool comparison_operator(Compare::Op& op);
  ExprPtr sum();
  ExprPtr concatenation();
  ExprPtr product();
  ExprPtr power();
  ExprPtr unary(bool filters);
  ExprPtr primary();
  ExprPtr name_or_literal();
  ExprPtr list_literal();
  ExprPtr dict_literal();
  ExprPtr postfix(ExprPtr object);
  ExprPtr filters_and_tests(ExprPtr input);
  ExprPtr attribute(ExprPtr object);
  ExprPtr subscript(ExprPtr object);
  ExprPtr slice(ExprPtr object, ExprPtr start, int line);
  ExprPtr call(ExprPtr callee);
  CallArguments arguments();
  void argument(CallArguments& arguments, int line);
  ExprPtr filter(ExprPtr input);
  ExprPtr filter_chain(ExprPtr input);
  ExprPtr test(ExprPtr input);
  std::string dotted_name();

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int nesting_ = 0;
  int loops_ = 0;  // for statements around this place in the same macro
};

// Counts one level of nesting while it lives; fails when there are too many.
struct Parser::Nested {
  explicit Nested(Parser& parser);
  ~Nested() { --parser_.nesting_; }
  Parser& parser_;
};

}  // namespace tessera::jinja
