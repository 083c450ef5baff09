#include "engine/chat/compare.h"
#include "engine/chat/evaluator.h"
#include "engine/chat/evaluator_guards.h"
#include "engine/chat/iterate.h"
#include "engine/chat/print.h"

namespace tessera::jinja {

Evaluator::Evaluator(const Template& parsed, const Value& context, Meter& meter)
    : template_(parsed), context_(context), meter_(meter) {}

// Namespaces and loops can hold each other in rings; taking each apart while all are still held
// keeps the destruction flat.
Evaluator::~Evaluator() {
  for (const Ref<Namespace>& space : namespaces_) space->attributes.clear();
  for (const Ref<Loop>& loop : loops_) loop->clear();
}

std::string Evaluator::run() {
  std::string rendered;
  out_ = &rendered;
  const Entered entered(*this, template_.scope);
  exec(template_.body);
  return rendered;
}

Evaluator::Flow Evaluator::exec(const Body& body) {
  for (const auto& statement : body) {
    const Flow flow = exec(*statement);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Evaluator::Flow Evaluator::exec(const Stmt& statement) {
  const Deeper deeper(*this);
  meter_.step();
  line_ = statement.line;
  return std::visit([this](const auto& node) { return run_node(node); }, statement.node);
}

void Evaluator::write(std::string_view text) {
  written_ += text.size();
  if (written_ > meter_.limits().output_bytes) fail_limit("the rendered text is too long");
  meter_.step(static_cast<std::int64_t>(text.size() / 64));
  *out_ += text;
}

Evaluator::Flow Evaluator::run_node(const Output& output) {
  for (const Output::Part& part : output.parts) {
    if (part.expr == nullptr) {
      write(part.text);
      continue;
    }
    const Value value = eval(*part.expr);
    if (const Text* text = value.text()) {
      write(text->bytes);
    } else {
      write(to_str(meter_, value));
    }
  }
  return Flow::kNext;
}

Evaluator::Flow Evaluator::run_node(const If& choice) {
  for (const If::Branch& branch : choice.branches) {
    if (truth(eval(*branch.test))) return exec(branch.body);
  }
  return exec(choice.otherwise);
}

Evaluator::Flow Evaluator::run_node(const For& node) {
  const Value items = eval(*node.items);
  const bool filters = node.filter != nullptr;
  Ref<Iterator> iterator = filters ? filtered(node, items) : iterate(meter_, items);
  const Looping looping(*this, filters ? Value() : items, std::move(iterator));
  const Ref<Loop>& loop = looping.loop();
  bool finished_one;
  {
    const Entered entered(*this, node.scope);
    if (node.loop_slot) slot({0, *node.loop_slot}) = loop;
    finished_one = run_loop(node, *loop);
  }
  // The filter runs in a frame that is about to go; a kept `loop` must not ask it for more.
  if (filters) loop->close();
  // As in Jinja, a loop whose every round ended early counts as one that never ran.
  if (finished_one || node.otherwise.empty()) return Flow::kNext;
  const Entered entered(*this, node.otherwise_scope);
  return exec(node.otherwise);
}

bool Evaluator::run_loop(const For& node, Loop& loop) {
  bool finished_one = false;
  for (Value item; loop.advance(item);) {
    meter_.step();
    assign(node.target, item);
    enter(node.scope);
    const Flow flow = exec(node.body);
    if (flow == Flow::kBreak) break;
    if (flow == Flow::kNext) finished_one = true;
  }
  return finished_one;
}

// The items that pass the loop's `if`, tested one by one as the loop asks for them: the test may
// read what the body has changed in a namespace.
Ref<Iterator> Evaluator::filtered(const For& node, const Value& items) {
  Ref<Iterator> source = iterate(meter_, items);
  Frame* outer = frame_;
  const int depth = nesting_around(Value(source));
  return make_generator(meter_, depth, [this, &node, source, outer](Value& item) {
    Frame* resumed = std::exchange(frame_, outer);
    bool found = false;
    {
      const Entered entered(*this, node.filter_scope);
      for (Value candidate; !found && source->next(candidate);) {
        assign(node.filter_target, candidate);
        found = truth(eval(*node.filter));
        if (found) item = std::move(candidate);
      }
    }
    frame_ = resumed;
    return found;
  });
}

Evaluator::Flow Evaluator::run_node(const Set& set) {
  assign(set.target, eval(*set.value));
  return Flow::kNext;
}

void Evaluator::assign(const Target& target, const Value& value) {
  if (const auto* name = std::get_if<NameTarget>(&target.node)) {
    slot(name->slot) = value;
    return;
  }
  if (const auto* attribute = std::get_if<AttributeTarget>(&target.node)) {
    const auto* space = slot(attribute->slot).get<Ref<Namespace>>();
    if (space == nullptr) fail("cannot assign attribute on non-namespace object");
    if (attribute->attribute.starts_with("_")) {
      fail_unsafe("a namespace attribute cannot start with an underscore: '" +
                  attribute->attribute + "'");
    }
    (*space)->set(meter_, attribute->attribute, value);
    return;
  }
  const auto& parts = std::get<TupleTarget>(target.node).items;
  const Ref<Iterator> items = iterate(meter_, value);
  Value item;
  for (const Target& part : parts) {
    if (!items->next(item)) fail("not enough values to unpack");
    assign(part, item);
  }
  if (items->next(item)) fail("too many values to unpack");
}

Evaluator::Flow Evaluator::run_node(const SetBlock& block) {
  Value value;
  {
    const Entered entered(*this, block.scope);
    Captured captured(*this);
    const Flow flow = exec(block.body);
    if (flow != Flow::kNext) return flow;
    value = apply_chain(block.filter, captured.take());
  }
  assign(block.target, value);
  return Flow::kNext;
}

Evaluator::Flow Evaluator::run_node(const MacroStmt& statement) {
  slot(statement.slot) = make_macro(statement.macro);
  return Flow::kNext;
}

// What a call or filter block gives. Unlike {{ }}, Jinja does not turn it into a string.
void Evaluator::write_block(const Value& value) {
  if (value.text() == nullptr) {
    fail(std::string("a block gave '") + type_name(value) + "' where a string is needed");
  }
  write(value.text()->bytes);
}

Evaluator::Flow Evaluator::run_node(const CallBlock& block) {
  const Call& node = std::get<Call>(block.call->node);
  const Value caller = make_macro(block.body);
  const Value callee = eval(*node.callee);
  Arguments arguments = eval_arguments(node.arguments);
  arguments.named.emplace_back("caller", caller);
  write_block(call(callee, std::move(arguments)));
  return Flow::kNext;
}

Evaluator::Flow Evaluator::run_node(const FilterBlock& block) {
  Value value;
  {
    const Entered entered(*this, block.scope);
    Captured captured(*this);
    const Flow flow = exec(block.body);
    if (flow != Flow::kNext) return flow;
    value = apply_chain(block.filter, captured.take());
  }
  write_block(value);
  return Flow::kNext;
}

Evaluator::Flow Evaluator::run_node(const With& block) {
  std::vector<Value> values;
  for (const auto& [target, value] : block.items) values.push_back(eval(*value));
  const Entered entered(*this, block.scope);
  for (std::size_t index = 0; index < values.size(); ++index) {
    assign(block.items[index].first, values[index]);
  }
  return exec(block.body);
}

Evaluator::Flow Evaluator::run_node(const Generation& block) {
  const Entered entered(*this, block.scope);
  return exec(block.body);
}

}  // namespace tessera::jinja
