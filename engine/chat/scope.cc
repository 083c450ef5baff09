#include "engine/chat/scope.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace tessera::jinja {
namespace {

// Whether a body reads a name before it assigns it, in the order of the text, inner scopes
// included.
class NameUse {
 public:
  explicit NameUse(std::string_view name) : name_(name) {}

  bool in(const Body& body) {
    for (const auto& statement : body) visit(*statement);
    return used_;
  }

 private:
  void visit(const ExprPtr& expr) {
    if (expr == nullptr) return;
    if (const auto* name = std::get_if<Name>(&expr->node)) {
      used_ = used_ || (!assigned_ && name->name == name_);
      return;
    }
    for_each_part(expr->node, [this](const ExprPtr& part) { visit(part); });
  }
  void assign(const std::string& name) { assigned_ = assigned_ || name == name_; }
  void assign(const Target& target) {
    if (const auto* name = std::get_if<NameTarget>(&target.node)) assign(name->name);
    if (const auto* tuple = std::get_if<TupleTarget>(&target.node)) {
      for (const Target& item : tuple->items) assign(item);
    }
  }
  void visit(const MacroDef& macro) {
    for (const auto& parameter : macro.parameters) assign(parameter.name);
    for (const auto& parameter : macro.parameters) visit(parameter.fallback);
    in(macro.body);
  }
  void visit(const Stmt& statement) {
    if (used_ || assigned_) return;
    std::visit([this](const auto& node) { walk(node); }, statement.node);
  }
  void walk(const Output& output) {
    for (const auto& part : output.parts) visit(part.expr);
  }
  void walk(const If& choice) {
    for (const auto& branch : choice.branches) {
      visit(branch.test);
      in(branch.body);
    }
    in(choice.otherwise);
  }
  void walk(const For& loop) {
    assign(loop.target);
    visit(loop.items);
    in(loop.body);
    in(loop.otherwise);
    visit(loop.filter);
  }
  void walk(const Set& set) {
    assign(set.target);
    visit(set.value);
  }
  void walk(const SetBlock& block) {
    assign(block.target);
    visit(block.filter);
    in(block.body);
  }
  void walk(const MacroStmt& statement) { visit(statement.macro); }
  void walk(const CallBlock& block) {
    visit(block.call);
    visit(block.body);
  }
  void walk(const FilterBlock& block) {
    in(block.body);
    visit(block.filter);
  }
  void walk(const With& block) {
    for (const auto& [target, value] : block.items) assign(target);
    for (const auto& [target, value] : block.items) visit(value);
    in(block.body);
  }
  void walk(const Generation& block) { in(block.body); }
  void walk(const Break&) {}
  void walk(const Continue&) {}

  std::string_view name_;
  bool used_ = false, assigned_ = false;
};

// The names of one scope while it is being built.
class Symbols {
 public:
  explicit Symbols(const Symbols* outer) : outer_(outer) {}

  int declare_parameter(const std::string& name) {
    const int index = own(name);
    if (stored_.insert(name).second) order_.push_back(name);
    loads_.erase(index);
    return index;
  }

  void store(const std::string& name) {
    if (!stored_.insert(name).second) return;
    order_.push_back(name);
    if (own_.contains(name)) return;
    const std::optional<Slot> outer = outer_slot(name);
    const int index = own(name);
    if (outer) {
      loads_[index] = {index, Load::From::kOuter, "", *outer};
    } else {
      loads_[index] = {index, Load::From::kNothing, "", {}};
    }
  }

  void load(const std::string& name, int line) {
    if (find(name)) return;
    for (std::string_view missing : {"joiner", "cycler", "lipsum", "self"}) {
      if (name == missing) {
        throw Failure(absl::StatusCode::kUnimplemented, "not supported: the global '" + name + "'",
                      line);
      }
    }
    const int index = own(name);
    loads_[index] = {index, Load::From::kContext, name, {}};
  }

  // Names first stored since `mark` were stored in a branch that may not run, so they begin with
  // what they are outside.
  std::size_t mark() const { return order_.size(); }
  void close_branches(std::size_t mark) {
    for (std::size_t at = mark; at < order_.size(); ++at) {
      const std::string& name = order_[at];
      const int index = own(name);
      const std::optional<Slot> outer = outer_slot(name);
      loads_[index] = outer ? Load{index, Load::From::kOuter, "", *outer}
                            : Load{index, Load::From::kContext, name, {}};
    }
  }

  std::optional<Slot> find(const std::string& name) const {
    int up = 0;
    for (const Symbols* scope = this; scope != nullptr; scope = scope->outer_, ++up) {
      const auto known = scope->own_.find(name);
      if (known != scope->own_.end()) return Slot{up, known->second};
    }
    return std::nullopt;
  }

  Slot at(const std::string& name) const { return find(name).value_or(Slot{}); }

  Scope finish() const {
    Scope scope;
    scope.slots = static_cast<int>(own_.size());
    for (const auto& [index, load] : loads_) scope.loads.push_back(load);
    return scope;
  }

 private:
  int own(const std::string& name) {
    return own_.emplace(name, static_cast<int>(own_.size())).first->second;
  }
  std::optional<Slot> outer_slot(const std::string& name) const {
    if (outer_ == nullptr) return std::nullopt;
    std::optional<Slot> slot = outer_->find(name);
    if (slot) ++slot->up;
    return slot;
  }

  const Symbols* outer_;
  std::map<std::string, int> own_;
  std::map<int, Load> loads_;  // by index; a parameter has none
  std::set<std::string> stored_;
  std::vector<std::string> order_;  // of stored_
};

// First pass over one scope: which names it has. Inner scopes are not entered.
class Collector {
 public:
  explicit Collector(Symbols& symbols) : symbols_(symbols) {}

  void collect(const Body& body) {
    for (const auto& statement : body) {
      std::visit([this](const auto& node) { walk(node); }, statement->node);
    }
  }
  void collect(const ExprPtr& expr) {
    if (expr == nullptr) return;
    if (const auto* name = std::get_if<Name>(&expr->node))
      return symbols_.load(name->name, expr->line);
    for_each_part(expr->node, [this](const ExprPtr& part) { collect(part); });
  }
  void declare(const Target& target) {
    if (const auto* name = std::get_if<NameTarget>(&target.node)) {
      symbols_.declare_parameter(name->name);
    } else if (const auto* tuple = std::get_if<TupleTarget>(&target.node)) {
      for (const Target& item : tuple->items) declare(item);
    }
  }

 private:
  void store(const Target& target) {
    if (const auto* name = std::get_if<NameTarget>(&target.node)) {
      symbols_.store(name->name);
    } else if (const auto* attribute = std::get_if<AttributeTarget>(&target.node)) {
      symbols_.load(attribute->name, 0);
    } else {
      for (const Target& item : std::get<TupleTarget>(target.node).items) store(item);
    }
  }
  void walk(const Output& output) {
    for (const auto& part : output.parts) collect(part.expr);
  }
  void walk(const If& choice) {
    collect(choice.branches.front().test);
    const std::size_t mark = symbols_.mark();
    bool first = true;
    for (const auto& branch : choice.branches) {
      if (!first) collect(branch.test);
      first = false;
      collect(branch.body);
    }
    collect(choice.otherwise);
    symbols_.close_branches(mark);
  }
  void walk(const For& loop) { collect(loop.items); }
  void walk(const Set& set) {
    collect(set.value);
    store(set.target);
  }
  void walk(const SetBlock& block) { store(block.target); }
  void walk(const MacroStmt& statement) { symbols_.store(statement.macro.name); }
  void walk(const CallBlock& block) { collect(block.call); }
  void walk(const FilterBlock& block) { collect(block.filter); }
  void walk(const With& block) {
    for (const auto& [target, value] : block.items) collect(value);
  }
  void walk(const Generation&) {}
  void walk(const Break&) {}
  void walk(const Continue&) {}

  Symbols& symbols_;
};

// Second pass: fills the slots, building inner scopes as it meets them.
class Resolver {
 public:
  explicit Resolver(Symbols& symbols) : symbols_(symbols) {}

  void resolve(Body& body) {
    for (const auto& statement : body) {
      std::visit([this](auto& node) { walk(node); }, statement->node);
    }
  }
  void resolve(const ExprPtr& expr) {
    if (expr == nullptr) return;
    if (auto* name = std::get_if<Name>(&expr->node)) {
      name->slot = symbols_.at(name->name);
      return;
    }
    for_each_part(expr->node, [this](const ExprPtr& part) { resolve(part); });
  }
  void resolve(Target& target) {
    if (auto* name = std::get_if<NameTarget>(&target.node)) {
      name->slot = symbols_.at(name->name);
    } else if (auto* attribute = std::get_if<AttributeTarget>(&target.node)) {
      attribute->slot = symbols_.at(attribute->name);
    } else {
      for (Target& item : std::get<TupleTarget>(target.node).items) resolve(item);
    }
  }

 private:
  void walk(Output& output) {
    for (auto& part : output.parts) resolve(part.expr);
  }
  void walk(If& choice) {
    for (auto& branch : choice.branches) {
      resolve(branch.test);
      resolve(branch.body);
    }
    resolve(choice.otherwise);
  }

  // A scope of its own for a body and the expressions evaluated inside it.
  Scope inner_scope(Body& body, const ExprPtr& expr) {
    Symbols inner(&symbols_);
    Collector(inner).collect(body);
    Collector(inner).collect(expr);
    Resolver resolver(inner);
    resolver.resolve(body);
    resolver.resolve(expr);
    return inner.finish();
  }

  void walk(For& loop) {
    resolve(loop.items);
    Symbols inner(&symbols_);
    if (NameUse("loop").in(loop.body)) loop.loop_slot = inner.declare_parameter("loop");
    Collector(inner).declare(loop.target);
    Collector(inner).collect(loop.body);
    Resolver resolver(inner);
    resolver.resolve(loop.target);
    resolver.resolve(loop.body);
    loop.scope = inner.finish();
    loop.otherwise_scope = inner_scope(loop.otherwise, nullptr);
    if (loop.filter == nullptr) return;
    Symbols filter(&symbols_);
    Collector(filter).declare(loop.filter_target);
    Collector(filter).collect(loop.filter);
    Resolver(filter).resolve(loop.filter_target);
    Resolver(filter).resolve(loop.filter);
    loop.filter_scope = filter.finish();
  }
  void walk(Set& set) {
    resolve(set.value);
    resolve(set.target);
  }
  void walk(SetBlock& block) {
    resolve(block.target);
    block.scope = inner_scope(block.body, block.filter);
  }
  void walk(MacroStmt& statement) {
    statement.slot = symbols_.at(statement.macro.name);
    define(statement.macro);
  }
  void walk(CallBlock& block) {
    resolve(block.call);
    define(block.body);
  }
  void walk(FilterBlock& block) { block.scope = inner_scope(block.body, block.filter); }
  void walk(With& block) {
    for (auto& [target, value] : block.items) resolve(value);
    Symbols inner(&symbols_);
    for (auto& [target, value] : block.items) Collector(inner).declare(target);
    Collector(inner).collect(block.body);
    Resolver resolver(inner);
    for (auto& [target, value] : block.items) resolver.resolve(target);
    resolver.resolve(block.body);
    block.scope = inner.finish();
  }
  void walk(Generation& block) { block.scope = inner_scope(block.body, nullptr); }
  void walk(Break&) {}
  void walk(Continue&) {}

  void define(MacroDef& macro) {
    Symbols inner(&symbols_);
    for (auto& parameter : macro.parameters) {
      parameter.slot = inner.declare_parameter(parameter.name);
    }
    const auto special = [&](const char* name, std::optional<int>& slot) {
      const auto named =
          std::find_if(macro.parameters.begin(), macro.parameters.end(),
                       [&](const auto& parameter) { return parameter.name == name; });
      if (named == macro.parameters.end() && NameUse(name).in(macro.body)) {
        slot = inner.declare_parameter(name);
      }
      return named != macro.parameters.end();
    };
    macro.names_caller = special("caller", macro.caller_slot);
    special("kwargs", macro.kwargs_slot);
    special("varargs", macro.varargs_slot);
    Collector collector(inner);
    for (auto& parameter : macro.parameters) collector.collect(parameter.fallback);
    collector.collect(macro.body);
    Resolver resolver(inner);
    for (auto& parameter : macro.parameters) resolver.resolve(parameter.fallback);
    resolver.resolve(macro.body);
    macro.scope = inner.finish();
  }

  Symbols& symbols_;
};

}  // namespace

void resolve_names(Template& parsed) {
  Symbols root(nullptr);
  Collector(root).collect(parsed.body);
  Resolver(root).resolve(parsed.body);
  parsed.scope = root.finish();
}

}  // namespace tessera::jinja
