// Runs a parsed template over one context. Made per rendering, on the thread that renders; walks
// the tree recursively under a depth limit and charges every step to the meter.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "engine/chat/ast.h"
#include "engine/chat/loop.h"

namespace tessera::jinja {

// The variables of one run of a scope. Owned by the evaluator; a frame that a macro was defined in
// stays until the rendering ends, others are used again.
struct Frame {
  Frame* outer = nullptr;
  std::vector<Value> slots;
  bool captured = false;
};

class Evaluator {
 public:
  // The template, the context (a dict) and the meter outlive the evaluator.
  Evaluator(const Template& parsed, const Value& context, Meter& meter);
  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  std::string run();

  Meter& meter() { return meter_; }
  // The line being evaluated, for messages.
  int line() const { return line_; }

  Value call(const Value& callee, Arguments arguments);
  // Filters and tests by name, as map, select and their like ask for.
  Value apply_filter(std::string_view name, const Value& input, const Arguments& arguments);
  bool apply_test(std::string_view name, const Value& input, const Arguments& arguments);

  Value make_namespace(std::vector<std::pair<std::string, Value>> attributes);

 private:
  enum class Flow { kNext, kBreak, kContinue };
  struct Deeper;
  class Entered;
  class Captured;
  class Looping;

  // --- statements ---
  Flow exec(const Body& body);
  Flow exec(const Stmt& statement);
  Flow run_node(const Output& output);
  Flow run_node(const If& choice);
  Flow run_node(const For& loop);
  Flow run_node(const Set& set);
  Flow run_node(const SetBlock& block);
  Flow run_node(const MacroStmt& statement);
  Flow run_node(const CallBlock& block);
  Flow run_node(const FilterBlock& block);
  Flow run_node(const With& block);
  Flow run_node(const Generation& block);
  Flow run_node(const Break&) { return Flow::kBreak; }
  Flow run_node(const Continue&) { return Flow::kContinue; }
  bool run_loop(const For& node, Loop& loop);  // whether a round ran to its end
  Ref<Iterator> filtered(const For& node, const Value& items);
  void assign(const Target& target, const Value& value);
  void write(std::string_view text);
  void write_block(const Value& value);

  // --- expressions ---
  Value eval(const Expr& expr);
  Value eval_node(const Const& node) { return node.value; }
  Value eval_node(const Name& node);
  Value eval_node(const TupleExpr& node);
  Value eval_node(const ListExpr& node);
  Value eval_node(const DictExpr& node);
  Value eval_node(const Unary& node);
  Value eval_node(const Binary& node);
  Value eval_node(const Logic& node);
  Value eval_node(const Compare& node);
  Value eval_node(const Concat& node);
  Value eval_node(const Conditional& node);
  Value eval_node(const GetAttribute& node);
  Value eval_node(const GetItem& node);
  Value eval_node(const GetSlice& node);
  Value eval_node(const Call& node);
  Value eval_node(const Apply& node);
  std::vector<Value> eval_all(const Exprs& items);
  Arguments eval_arguments(const CallArguments& arguments);
  Value apply_chain(const ExprPtr& filter, Value input);

  // --- calls ---
  Value make_macro(const MacroDef& definition);
  Value call_macro(const Macro& macro, Arguments arguments);
  void bind_parameters(const MacroDef& definition, Arguments& arguments, Frame& frame);
  void bind_special(const MacroDef& definition, Arguments& arguments, Frame& frame,
                    bool caller_bound);

  // --- variables ---
  Value& slot(const Slot& slot);
  void enter(const Scope& scope);  // gives every variable of frame_ but parameters its first value
  Value from_context(const std::string& name);
  Frame* acquire(const Scope& scope, Frame* outer);
  void release(Frame* frame);

  const Template& template_;
  const Value& context_;
  Meter& meter_;
  int line_ = 1;
  int depth_ = 0;
  Frame* frame_ = nullptr;
  std::string* out_ = nullptr;
  std::size_t written_ = 0;  // bytes in all buffers being written
  Value filter_input_;       // of the block whose filters are being applied
  std::deque<std::unique_ptr<Frame>> frames_;
  std::vector<Frame*> free_frames_;
  std::vector<Ref<Namespace>> namespaces_;
  std::vector<Ref<Loop>> loops_;
  std::vector<Charge> kept_;  // for frames that stay
};

}  // namespace tessera::jinja
