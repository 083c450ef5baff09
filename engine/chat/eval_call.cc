#include <algorithm>

#include "engine/chat/builtins.h"
#include "engine/chat/evaluator.h"
#include "engine/chat/evaluator_guards.h"
#include "engine/chat/iterate.h"

namespace tessera::jinja {

Value Evaluator::call(const Value& callee, Arguments arguments) {
  if (const auto* macro = callee.get<Ref<const Macro>>()) {
    return call_macro(**macro, std::move(arguments));
  }
  if (const auto* callable = callee.get<Ref<const Callable>>()) {
    return (*callable)->function(*this, (*callable)->self, arguments);
  }
  if (const Undefined* undefined = callee.undefined()) fail_undefined(*undefined);
  if (callee.is<Ref<Loop>>()) fail_unsupported("calling the loop variable");
  fail(std::string("'") + type_name(callee) + "' object is not callable");
}

Value Evaluator::make_macro(const MacroDef& definition) {
  for (Frame* frame = frame_; frame != nullptr && !frame->captured; frame = frame->outer) {
    frame->captured = true;
    kept_.emplace_back(meter_, sizeof(Frame) + frame->slots.size() * sizeof(Value));
  }
  return Ref<const Macro>(
      std::make_shared<Macro>(Macro{&definition, frame_, Charge(meter_, 2 * sizeof(Macro))}));
}

Value Evaluator::call_macro(const Macro& macro, Arguments arguments) {
  const Deeper deeper(*this);
  const MacroDef& definition = *macro.definition;
  const int line = line_;
  Frame* back = frame_;
  Frame* frame = acquire(definition.scope, macro.frame);
  frame_ = frame;
  enter(definition.scope);
  bind_parameters(definition, arguments, *frame);
  Captured captured(*this);
  const Value no_input = std::exchange(filter_input_, Value());
  exec(definition.body);
  filter_input_ = no_input;
  frame_ = back;
  release(frame);
  line_ = line;
  return captured.take();
}

// Positional arguments, then keywords, then defaults, which may read the parameters before them.
void Evaluator::bind_parameters(const MacroDef& definition, Arguments& arguments, Frame& frame) {
  const std::size_t given = std::min(arguments.positional.size(), definition.parameters.size());
  bool caller_bound = definition.names_caller && given == definition.parameters.size();
  for (std::size_t index = 0; index < definition.parameters.size(); ++index) {
    const MacroDef::Parameter& parameter = definition.parameters[index];
    Value& value = frame.slots[static_cast<std::size_t>(parameter.slot)];
    meter_.step();
    if (index < given) {
      value = arguments.positional[index];
      continue;
    }
    if (parameter.name == "caller") caller_bound = true;
    meter_.step_over_items(arguments.named.size());
    const auto named =
        std::find_if(arguments.named.begin(), arguments.named.end(),
                     [&](const auto& argument) { return argument.first == parameter.name; });
    if (named != arguments.named.end()) {
      value = std::move(named->second);
      arguments.named.erase(named);
    }
  }
  bind_special(definition, arguments, frame, caller_bound);
  for (const MacroDef::Parameter& parameter : definition.parameters) {
    Value& value = frame.slots[static_cast<std::size_t>(parameter.slot)];
    if (!value.is_missing()) continue;
    value = parameter.fallback != nullptr
                ? eval(*parameter.fallback)
                : make_undefined(meter_, "parameter '" + parameter.name + "' was not provided");
  }
}

void Evaluator::bind_special(const MacroDef& definition, Arguments& arguments, Frame& frame,
                             bool caller_bound) {
  const auto at = [&](int slot) -> Value& { return frame.slots[static_cast<std::size_t>(slot)]; };
  if (definition.caller_slot && !caller_bound) {
    const auto named =
        std::find_if(arguments.named.begin(), arguments.named.end(),
                     [](const auto& argument) { return argument.first == "caller"; });
    at(*definition.caller_slot) = make_undefined(meter_, "No caller defined");
    if (named != arguments.named.end()) {
      if (!named->second.is_none()) at(*definition.caller_slot) = std::move(named->second);
      arguments.named.erase(named);
    }
  }
  if (definition.kwargs_slot) {
    Dict rest;
    for (auto& [name, value] : arguments.named) {
      rest.set(meter_, make_text(meter_, name), std::move(value));
    }
    at(*definition.kwargs_slot) = make_dict(meter_, std::move(rest));
  } else if (!arguments.named.empty()) {
    fail("macro '" + definition.name + "' takes no keyword argument '" +
         arguments.named.front().first + "'");
  }
  const std::size_t taken = std::min(arguments.positional.size(), definition.parameters.size());
  if (definition.varargs_slot) {
    at(*definition.varargs_slot) = make_tuple(
        meter_,
        std::vector<Value>(arguments.positional.begin() + static_cast<std::ptrdiff_t>(taken),
                           arguments.positional.end()));
  } else if (taken < arguments.positional.size()) {
    fail("macro '" + definition.name + "' takes not more than " +
         std::to_string(definition.parameters.size()) + " argument(s)");
  }
}

Value& Evaluator::slot(const Slot& slot) {
  Frame* frame = frame_;
  for (int up = 0; up < slot.up; ++up) frame = frame->outer;
  return frame->slots[static_cast<std::size_t>(slot.index)];
}

void Evaluator::enter(const Scope& scope) {
  meter_.step_over_items(scope.loads.size());
  for (const Load& load : scope.loads) {
    Value value;
    if (load.from == Load::From::kOuter) value = slot(load.outer);
    if (load.from == Load::From::kContext) value = from_context(load.name);
    frame_->slots[static_cast<std::size_t>(load.index)] = std::move(value);
  }
}

Value Evaluator::from_context(const std::string& name) {
  if (const Value* value = context_.dict()->find(meter_, name)) return *value;
  const NamedBuiltin* global = find_global(name);
  return global == nullptr ? Value() : make_method(meter_, global->name, global->function, Value());
}

Frame* Evaluator::acquire(const Scope& scope, Frame* outer) {
  meter_.step_over_items(static_cast<std::size_t>(scope.slots));
  if (free_frames_.empty()) {
    frames_.push_back(std::make_unique<Frame>());
    free_frames_.push_back(frames_.back().get());
  }
  Frame* frame = free_frames_.back();
  free_frames_.pop_back();
  frame->outer = outer;
  frame->slots.assign(static_cast<std::size_t>(scope.slots), Value());
  return frame;
}

void Evaluator::release(Frame* frame) {
  if (frame->captured) return;
  frame->slots.clear();
  free_frames_.push_back(frame);
}

Value Evaluator::make_namespace(std::vector<std::pair<std::string, Value>> attributes) {
  auto space = std::make_shared<Namespace>(meter_);
  for (auto& [name, value] : attributes) space->set(meter_, name, std::move(value));
  namespaces_.push_back(space);
  return space;
}

}  // namespace tessera::jinja
