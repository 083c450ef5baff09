// The values a template computes with: Python's, as far as templates can see them. A Value is cheap
// to copy and owns what it refers to; everything but Namespace, Loop and Iterator is immutable once
// made. Values live on the thread of one rendering, except the constants of a parsed template,
// which any thread may read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "engine/chat/meter.h"

namespace tessera::jinja {

// Wide enough for every integer JSON carries; an overflow is an error, never a wrap.
using Integer = __int128;

template <class T>
using Ref = std::shared_ptr<T>;

// Containers nested deeper than this are refused, so that printing, comparing and destroying them
// never exhausts the stack.
constexpr int kMaxNesting = 100;

struct Missing {};  // a name never assigned, an argument not given
struct None {};
struct Undefined;
struct Text;
struct Sequence;
class Dict;
struct DictView;
struct Range;
class Iterator;
struct Namespace;
struct Loop;
struct Macro;
struct Callable;

template <class T, class Variant>
struct IsAlternative;
template <class T, class... Kinds>
struct IsAlternative<T, std::variant<Kinds...>> : std::disjunction<std::is_same<T, Kinds>...> {};

class Value {
 public:
  using Store =
      std::variant<Missing, None, bool, Integer, double, Ref<const Undefined>, Ref<const Text>,
                   Ref<const Sequence>, Ref<const Dict>, Ref<const DictView>, Ref<const Range>,
                   Ref<Iterator>, Ref<Namespace>, Ref<Loop>, Ref<const Macro>, Ref<const Callable>>;

  Value() = default;  // Missing
  // Exact alternatives only: an int silently becoming a bool would be a wrong rendering.
  template <class T>
  requires IsAlternative<T, Store>::value Value(T value)
      : store_(std::in_place_type<T>, std::move(value)) {}

  const Store& store() const { return store_; }
  template <class T>
  const T* get() const {
    return std::get_if<T>(&store_);
  }
  template <class T>
  bool is() const {
    return std::holds_alternative<T>(store_);
  }
  bool is_missing() const { return is<Missing>(); }
  bool is_none() const { return is<None>(); }
  const Undefined* undefined() const { return object<const Undefined>(); }
  const Text* text() const { return object<const Text>(); }
  const Sequence* sequence() const { return object<const Sequence>(); }
  const Dict* dict() const { return object<const Dict>(); }

 private:
  template <class T>
  T* object() const {
    const Ref<T>* ref = std::get_if<Ref<T>>(&store_);
    return ref == nullptr ? nullptr : ref->get();
  }
  Store store_;
};

// What a lookup that found nothing gives. It prints as nothing and is false; most other uses fail
// with its message.
struct Undefined {
  std::string message;
  bool unsafe = false;  // it exists, but the sandbox hides it
  Charge charge = {};
};

struct Text {
  std::string bytes;       // UTF-8
  std::size_t length = 0;  // code points
  bool markup = false;     // made by `safe` or `escape`; adding to it escapes the other side
  Charge charge = {};
  bool ascii() const { return length == bytes.size(); }
};

struct Sequence {
  enum class Form { kList, kTuple, kGroup };  // kGroup: the (grouper, list) tuple of groupby
  Form form = Form::kList;
  std::vector<Value> items;
  int depth = 0;
  Charge charge = {};
};

// Insertion-ordered, keys unique by Python's equality.
class Dict {
 public:
  using Entry = std::pair<Value, Value>;
  const std::vector<Entry>& entries() const { return entries_; }
  // Null when absent; fails when the key is not hashable.
  const Value* find(Meter& meter, const Value& key) const;
  const Value* find(Meter& meter, std::string_view key) const;
  // While the dict is being made: adds, or replaces the value and keeps the place.
  void set(Meter& meter, Value key, Value value);

  int depth = 0;
  Charge charge = {};

 private:
  // The place of the key in entries_, or entries_.size().
  template <class Matches>
  std::size_t place(std::size_t hash, const Matches& matches) const;
  std::vector<Entry> entries_;
  std::unordered_multimap<std::size_t, std::size_t> places_;  // hash -> place, once there are many
};

struct DictView {
  enum class Part { kKeys, kValues, kItems };
  Ref<const Dict> dict;
  Part part;
  Charge charge = {};
};

struct Range {
  std::int64_t start = 0, stop = 0, step = 1;
  std::int64_t length() const;
  std::int64_t at(std::int64_t index) const { return start + index * step; }
};

// Python's iterator: can be run through once.
class Iterator {
 public:
  Iterator(Meter& meter, const char* type, int depth)
      : type_(type), depth_(depth), charge_(meter, kIteratorBytes) {}
  virtual ~Iterator() = default;
  // Moves to the next item; false at the end, and from then on.
  virtual bool next(Value& item) = 0;
  const char* type() const { return type_; }
  int depth() const { return depth_; }

 private:
  static constexpr std::size_t kIteratorBytes = 128;
  const char* type_;
  int depth_;
  Charge charge_;
};

struct Namespace {
  using Attribute = std::pair<std::string, Value>;
  explicit Namespace(Meter& meter) : charge(meter, sizeof(Namespace)) {}
  const Value* find(Meter& meter, std::string_view name) const;
  void set(Meter& meter, const std::string& name, Value value);

  std::vector<Attribute> attributes;
  Charge charge;
};

class Evaluator;

// Arguments of a call as the template wrote them.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

using Builtin = Value (*)(Evaluator& run, const Value& self, const Arguments& arguments);

// A global function (self missing) or a method bound to its object.
struct Callable {
  std::string_view name;  // refers to a constant table
  Builtin function;
  Value self;
  int depth = 0;
  Charge charge = {};
};

struct MacroDef;
struct Frame;

struct Macro {
  const MacroDef* definition;
  Frame* frame;  // where it was defined; lives until the rendering ends
  Charge charge = {};
};

// --- making values ---

Value make_text(Meter& meter, std::string bytes, bool markup = false);
Value make_constant_text(std::string bytes);  // for parsed templates: not charged
Value make_list(Meter& meter, std::vector<Value> items);
Value make_tuple(Meter& meter, std::vector<Value> items,
                 Sequence::Form form = Sequence::Form::kTuple);
Value make_dict(Meter& meter, Dict&& dict);
Value make_undefined(Meter& meter, std::string message, bool unsafe = false);
Value make_view(Meter& meter, Ref<const Dict> dict, DictView::Part part);
Value make_range(Meter& meter, const Range& range);
Value make_method(Meter& meter, std::string_view name, Builtin function, const Value& self);
inline Value make_int(std::int64_t value) { return Value(static_cast<Integer>(value)); }

// --- asking about values ---

// How deep containers nest in this value: 0 for scalars. Fails at kMaxNesting when `inner` is set
// to be put into one more container.
int nesting(const Value& value);
int nesting_around(const Value& inner);
int nesting_around(const std::vector<Value>& inner);

// Fails with the undefined value's own message.
[[noreturn]] void fail_undefined(const Undefined& undefined);

// Python's name of the type, for messages: "str", "list", "NoneType" ...
const char* type_name(const Value& value);

// int or bool as a number; false for everything else.
bool as_integer(const Value& value, Integer& number);
// int, bool or float.
bool as_number(const Value& value, double& number);

}  // namespace tessera::jinja
