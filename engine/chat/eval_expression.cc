#include "engine/chat/builtins.h"
#include "engine/chat/compare.h"
#include "engine/chat/evaluator.h"
#include "engine/chat/evaluator_guards.h"
#include "engine/chat/iterate.h"
#include "engine/chat/lookup.h"
#include "engine/chat/print.h"

namespace tessera::jinja {

Value Evaluator::eval(const Expr& expr) {
  const Deeper deeper(*this);
  meter_.step();
  line_ = expr.line;
  return std::visit([this](const auto& node) { return eval_node(node); }, expr.node);
}

std::vector<Value> Evaluator::eval_all(const Exprs& items) {
  std::vector<Value> values;
  values.reserve(items.size());
  for (const ExprPtr& item : items) values.push_back(eval(*item));
  return values;
}

Value Evaluator::eval_node(const Name& node) {
  const Value& value = slot(node.slot);
  if (!value.is_missing()) return value;
  return make_undefined(meter_, "'" + node.name + "' is undefined");
}

Value Evaluator::eval_node(const TupleExpr& node) {
  return make_tuple(meter_, eval_all(node.items));
}

Value Evaluator::eval_node(const ListExpr& node) { return make_list(meter_, eval_all(node.items)); }

Value Evaluator::eval_node(const DictExpr& node) {
  Dict dict;
  for (const auto& [key, value] : node.items) {
    Value key_value = eval(*key);
    dict.set(meter_, std::move(key_value), eval(*value));
  }
  return make_dict(meter_, std::move(dict));
}

Value Evaluator::eval_node(const Unary& node) {
  const Value operand = eval(*node.operand);
  if (node.op == Unary::Op::kNot) return !truth(operand);
  return node.op == Unary::Op::kMinus ? negate(operand) : plus(operand);
}

Value Evaluator::eval_node(const Binary& node) {
  const Value left = eval(*node.left);
  return binary(meter_, node.op, left, eval(*node.right));
}

Value Evaluator::eval_node(const Logic& node) {
  Value left = eval(*node.left);
  return truth(left) == node.conjunction ? eval(*node.right) : left;
}

Value Evaluator::eval_node(const Compare& node) {
  Value left = eval(*node.first);
  for (const auto& [op, operand] : node.rest) {
    Value right = eval(*operand);
    bool holds;
    if (const auto* comparison = std::get_if<Comparison>(&op)) {
      holds = compare(meter_, *comparison, left, right);
    } else {
      holds = contains(meter_, right, left) == std::holds_alternative<Compare::In>(op);
    }
    if (!holds) return false;
    left = std::move(right);
  }
  return true;
}

Value Evaluator::eval_node(const Concat& node) {
  std::string joined;
  for (const Value& item : eval_all(node.items)) {
    joined += to_str(meter_, item);
    meter_.expect_room(joined.size());
  }
  return make_text(meter_, std::move(joined));
}

Value Evaluator::eval_node(const Conditional& node) {
  if (truth(eval(*node.test))) return eval(*node.then);
  if (node.otherwise != nullptr) return eval(*node.otherwise);
  return make_undefined(meter_, "the inline if-expression on line " + std::to_string(line_) +
                                    " evaluated to false and no else section was defined.");
}

Value Evaluator::eval_node(const GetAttribute& node) {
  return attribute_of(meter_, eval(*node.object), node.name);
}

Value Evaluator::eval_node(const GetItem& node) {
  const Value object = eval(*node.object);
  return item_of(meter_, object, eval(*node.key));
}

Value Evaluator::eval_node(const GetSlice& node) {
  const Value object = eval(*node.object);
  const auto bound = [this](const ExprPtr& expr) {
    return expr == nullptr ? Value() : eval(*expr);
  };
  const Value start = bound(node.start);
  const Value stop = bound(node.stop);
  return slice_of(meter_, object, start, stop, bound(node.step));
}

Value Evaluator::eval_node(const Call& node) {
  const Value callee = eval(*node.callee);
  return call(callee, eval_arguments(node.arguments));
}

Value Evaluator::eval_node(const Apply& node) {
  const Value input = node.input == nullptr ? filter_input_ : eval(*node.input);
  const int line = line_;
  const Arguments arguments = eval_arguments(node.arguments);
  line_ = line;
  return node.function(*this, input, arguments);
}

Value Evaluator::apply_chain(const ExprPtr& filter, Value input) {
  if (filter == nullptr) return input;
  Value outer = std::exchange(filter_input_, std::move(input));
  Value result = eval(*filter);
  filter_input_ = std::move(outer);
  return result;
}

Arguments Evaluator::eval_arguments(const CallArguments& arguments) {
  Arguments given;
  given.positional = eval_all(arguments.positional);
  for (const auto& [name, value] : arguments.named) given.named.emplace_back(name, eval(*value));
  if (arguments.star != nullptr) {
    for (Value& item : items_of(meter_, eval(*arguments.star))) {
      given.positional.push_back(std::move(item));
    }
  }
  if (arguments.double_star == nullptr) return given;
  const Value more = eval(*arguments.double_star);
  const Dict* dict = more.dict();
  if (dict == nullptr) fail("argument after ** must be a mapping");
  for (const auto& [key, value] : dict->entries()) {
    const Text* name = key.text();
    if (name == nullptr) fail("keywords must be strings");
    for (const auto& [known, old] : given.named) {
      meter_.step();
      if (known == name->bytes) fail("got multiple values for keyword argument '" + known + "'");
    }
    meter_.step_over_bytes(name->bytes.size());
    given.named.emplace_back(name->bytes, value);
  }
  return given;
}

Value Evaluator::apply_filter(std::string_view name, const Value& input,
                              const Arguments& arguments) {
  const std::optional<Builtin> function = find_filter(name);
  if (!function) fail_unsupported("the filter '" + std::string(name.substr(0, 40)) + "'");
  return (*function)(*this, input, arguments);
}

bool Evaluator::apply_test(std::string_view name, const Value& input, const Arguments& arguments) {
  const std::optional<Builtin> function = find_test(name);
  if (!function) fail_unsupported("the test '" + std::string(name.substr(0, 40)) + "'");
  return truth((*function)(*this, input, arguments));
}

}  // namespace tessera::jinja
