// A parsed template. Built once by the parser, completed by scope.h (where names live), then
// immutable and read by any number of renderings. Depths are bounded by the parser, so walks of the
// tree may recurse.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/chat/arithmetic.h"
#include "engine/chat/compare.h"
#include "engine/chat/value.h"

namespace tessera::jinja {

struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<Expr>;
using Exprs = std::vector<ExprPtr>;
using Body = std::vector<std::unique_ptr<Stmt>>;

// A variable: `index` in the frame that is `up` frames out.
struct Slot {
  int up = 0;
  int index = 0;
};

// What a variable holds when its scope is entered. Parameters have no Load.
struct Load {
  enum class From { kContext, kOuter, kNothing };
  int index;
  From from;
  std::string name;  // kContext
  Slot outer;        // kOuter, seen from the new frame
};

// The variables of one scope; each run of the scope has one frame of `slots` values.
struct Scope {
  int slots = 0;
  std::vector<Load> loads;
};

// --- expressions ---

struct Const {
  Value value;
};
struct Name {
  std::string name;
  Slot slot = {};
};
struct TupleExpr {
  Exprs items;
};
struct ListExpr {
  Exprs items;
};
struct DictExpr {
  std::vector<std::pair<ExprPtr, ExprPtr>> items;
};
struct Unary {
  enum class Op { kNot, kMinus, kPlus };
  Op op;
  ExprPtr operand;
};
struct Binary {
  BinaryOp op;
  ExprPtr left, right;
};
struct Logic {
  bool conjunction;  // and; otherwise or
  ExprPtr left, right;
};
struct Compare {
  // In: `in`; NotIn: `not in`; otherwise a Comparison.
  struct In {};
  struct NotIn {};
  using Op = std::variant<In, NotIn, Comparison>;
  ExprPtr first;
  std::vector<std::pair<Op, ExprPtr>> rest;
};
struct Concat {
  Exprs items;
};
struct Conditional {
  ExprPtr test, then, otherwise;  // otherwise may be null
};
struct GetAttribute {
  ExprPtr object;
  std::string name;
};
struct GetItem {
  ExprPtr object, key;
};
struct GetSlice {
  ExprPtr object, start, stop, step;  // the last three may be null
};
struct CallArguments {
  Exprs positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr star, double_star;  // may be null
};
struct Call {
  ExprPtr callee;
  CallArguments arguments;
};
// A filter or a test; a test gives a bool.
struct Apply {
  ExprPtr input;  // null: the text of the block the filter stands on
  std::string name;
  Builtin function;
  CallArguments arguments;
};

struct Expr {
  using Node =
      std::variant<Const, Name, TupleExpr, ListExpr, DictExpr, Unary, Binary, Logic, Compare,
                   Concat, Conditional, GetAttribute, GetItem, GetSlice, Call, Apply>;
  int line;
  int depth;  // of the tree below, 1 for a leaf
  Node node;
};

// --- statements ---

struct NameTarget {
  std::string name;
  Slot slot = {};
};
struct AttributeTarget {  // of a namespace
  std::string name, attribute;
  Slot slot = {};
};
struct Target;
struct TupleTarget {
  std::vector<Target> items;
};
struct Target {
  std::variant<NameTarget, AttributeTarget, TupleTarget> node;
};

struct Output {
  struct Part {
    std::string text;
    ExprPtr expr;  // null: the text
  };
  std::vector<Part> parts;
};
struct If {
  struct Branch {
    ExprPtr test;
    Body body;
  };
  std::vector<Branch> branches;
  Body otherwise;
};
struct For {
  Target target;
  ExprPtr items;
  ExprPtr filter;  // may be null; runs in its own scope with its own target
  Target filter_target;
  Body body, otherwise;
  std::optional<int> loop_slot;  // of `loop`, when the body uses it
  Scope scope, filter_scope, otherwise_scope;
};
struct Set {
  Target target;
  ExprPtr value;
};
struct SetBlock {
  Target target;
  ExprPtr filter;  // may be null: a chain of Apply whose innermost input is null
  Body body;
  Scope scope;
};
struct MacroDef {
  struct Parameter {
    std::string name;
    ExprPtr fallback;  // may be null
    int slot = 0;
  };
  std::string name;  // empty for the body of a call block
  std::vector<Parameter> parameters;
  Body body;
  Scope scope;
  // Slots of the special variables, when the body uses them.
  std::optional<int> caller_slot, kwargs_slot, varargs_slot;
  bool names_caller = false;  // `caller` is one of the parameters
};
struct MacroStmt {
  MacroDef macro;
  Slot slot = {};
};
struct CallBlock {
  ExprPtr call;  // a Call
  MacroDef body;
};
struct FilterBlock {
  ExprPtr filter;
  Body body;
  Scope scope;
};
struct With {
  std::vector<std::pair<Target, ExprPtr>> items;
  Body body;
  Scope scope;
};
// {% generation %}: marks what the model wrote; renders as its body.
struct Generation {
  Body body;
  Scope scope;
};
struct Break {};
struct Continue {};

struct Stmt {
  using Node = std::variant<Output, If, For, Set, SetBlock, MacroStmt, CallBlock, FilterBlock, With,
                            Generation, Break, Continue>;
  int line;
  Node node;
};

struct Template {
  Body body;
  Scope scope;
};

// Calls visit(const ExprPtr&) for each direct part of an expression that is not null, in the order
// of evaluation.
template <class Visit>
void for_each_part(const CallArguments& arguments, const Visit& visit) {
  for (const ExprPtr& item : arguments.positional) visit(item);
  for (const auto& [name, item] : arguments.named) visit(item);
  if (arguments.star) visit(arguments.star);
  if (arguments.double_star) visit(arguments.double_star);
}

template <class Visit>
void for_each_part(const Expr::Node& node, const Visit& visit) {
  const auto some = [&](const ExprPtr& part) {
    if (part) visit(part);
  };
  if (const auto* tuple = std::get_if<TupleExpr>(&node)) {
    for (const ExprPtr& item : tuple->items) visit(item);
  } else if (const auto* list = std::get_if<ListExpr>(&node)) {
    for (const ExprPtr& item : list->items) visit(item);
  } else if (const auto* dict = std::get_if<DictExpr>(&node)) {
    for (const auto& [key, value] : dict->items) visit(key), visit(value);
  } else if (const auto* unary = std::get_if<Unary>(&node)) {
    visit(unary->operand);
  } else if (const auto* binary = std::get_if<Binary>(&node)) {
    visit(binary->left), visit(binary->right);
  } else if (const auto* logic = std::get_if<Logic>(&node)) {
    visit(logic->left), visit(logic->right);
  } else if (const auto* compare = std::get_if<Compare>(&node)) {
    visit(compare->first);
    for (const auto& [op, operand] : compare->rest) visit(operand);
  } else if (const auto* concat = std::get_if<Concat>(&node)) {
    for (const ExprPtr& item : concat->items) visit(item);
  } else if (const auto* choice = std::get_if<Conditional>(&node)) {
    visit(choice->test), visit(choice->then), some(choice->otherwise);
  } else if (const auto* attribute = std::get_if<GetAttribute>(&node)) {
    visit(attribute->object);
  } else if (const auto* item = std::get_if<GetItem>(&node)) {
    visit(item->object), visit(item->key);
  } else if (const auto* slice = std::get_if<GetSlice>(&node)) {
    visit(slice->object), some(slice->start), some(slice->stop), some(slice->step);
  } else if (const auto* call = std::get_if<Call>(&node)) {
    visit(call->callee);
    for_each_part(call->arguments, visit);
  } else if (const auto* apply = std::get_if<Apply>(&node)) {
    some(apply->input);
    for_each_part(apply->arguments, visit);
  }
}

}  // namespace tessera::jinja
