#include "engine/chat/iterate.h"

#include <string>

#include "engine/chat/unicode.h"

namespace tessera::jinja {
namespace {

class SequenceIterator final : public Iterator {
 public:
  SequenceIterator(Meter& meter, Ref<const Sequence> sequence, bool backwards)
      : Iterator(meter, backwards ? "list_reverseiterator" : "list_iterator", sequence->depth + 1),
        meter_(meter),
        sequence_(std::move(sequence)),
        backwards_(backwards) {}

  bool next(Value& item) override {
    const std::vector<Value>& items = sequence_->items;
    if (done_ == items.size()) return false;
    meter_.step();
    item = backwards_ ? items[items.size() - 1 - done_] : items[done_];
    ++done_;
    return true;
  }

 private:
  Meter& meter_;
  Ref<const Sequence> sequence_;
  bool backwards_;
  std::size_t done_ = 0;
};

class TextIterator final : public Iterator {
 public:
  TextIterator(Meter& meter, Ref<const Text> text, bool backwards)
      : Iterator(meter, backwards ? "reversed" : "str_iterator", 1),
        meter_(meter),
        text_(std::move(text)),
        backwards_(backwards),
        byte_(backwards ? text_->bytes.size() : 0) {}

  bool next(Value& item) override {
    if (byte_ == (backwards_ ? 0 : text_->bytes.size())) return false;
    std::string point;
    append_point(
        point, backwards_ ? previous_point(text_->bytes, byte_) : next_point(text_->bytes, byte_));
    item = make_text(meter_, std::move(point));
    return true;
  }

 private:
  Meter& meter_;
  Ref<const Text> text_;
  bool backwards_;
  std::size_t byte_;
};

class DictIterator final : public Iterator {
 public:
  DictIterator(Meter& meter, Ref<const Dict> dict, DictView::Part part, bool backwards)
      : Iterator(meter, backwards ? "dict_reverseiterator" : "dict_iterator", dict->depth + 2),
        meter_(meter),
        dict_(std::move(dict)),
        part_(part),
        backwards_(backwards) {}

  bool next(Value& item) override {
    const auto& entries = dict_->entries();
    if (done_ == entries.size()) return false;
    meter_.step();
    const auto& [key, value] = backwards_ ? entries[entries.size() - 1 - done_] : entries[done_];
    ++done_;
    if (part_ == DictView::Part::kItems) {
      item = make_tuple(meter_, {key, value});
    } else {
      item = part_ == DictView::Part::kKeys ? key : value;
    }
    return true;
  }

 private:
  Meter& meter_;
  Ref<const Dict> dict_;
  DictView::Part part_;
  bool backwards_;
  std::size_t done_ = 0;
};

class RangeIterator final : public Iterator {
 public:
  RangeIterator(Meter& meter, const Range& range, bool backwards)
      : Iterator(meter, "range_iterator", 1), meter_(meter), range_(range), backwards_(backwards) {}

  bool next(Value& item) override {
    const std::int64_t length = range_.length();
    if (done_ == length) return false;
    meter_.step();
    item = make_int(range_.at(backwards_ ? length - 1 - done_ : done_));
    ++done_;
    return true;
  }

 private:
  Meter& meter_;
  Range range_;
  bool backwards_;
  std::int64_t done_ = 0;
};

class Generator final : public Iterator {
 public:
  Generator(Meter& meter, int depth, std::function<bool(Value&)> step, std::size_t captured)
      : Iterator(meter, "generator", depth),
        meter_(meter),
        charge_(meter, captured),
        step_(std::move(step)) {}

  bool next(Value& item) override {
    if (!step_) return false;
    if (running_) fail("generator already executing");
    const GeneratorStep running(meter_);
    running_ = true;
    const bool found = step_(item);
    running_ = false;
    if (!found) step_ = nullptr;
    return found;
  }

 private:
  Meter& meter_;
  Charge charge_;
  bool running_ = false;
  std::function<bool(Value&)> step_;
};

Ref<Iterator> run_through(Meter& meter, const Value& value, bool backwards) {
  if (const auto* sequence = value.get<Ref<const Sequence>>()) {
    return std::make_shared<SequenceIterator>(meter, *sequence, backwards);
  }
  if (const auto* text = value.get<Ref<const Text>>()) {
    return std::make_shared<TextIterator>(meter, *text, backwards);
  }
  if (const auto* dict = value.get<Ref<const Dict>>()) {
    return std::make_shared<DictIterator>(meter, *dict, DictView::Part::kKeys, backwards);
  }
  if (const auto* view = value.get<Ref<const DictView>>()) {
    return std::make_shared<DictIterator>(meter, (*view)->dict, (*view)->part, backwards);
  }
  if (const auto* range = value.get<Ref<const Range>>()) {
    return std::make_shared<RangeIterator>(meter, **range, backwards);
  }
  if (value.undefined() != nullptr) {
    return make_generator(meter, 1, [](Value&) { return false; });
  }
  return nullptr;
}

}  // namespace

Ref<Iterator> iterate(Meter& meter, const Value& value) {
  if (const auto* iterator = value.get<Ref<Iterator>>()) return *iterator;
  if (value.is<Ref<Loop>>()) fail_unsupported("iterating over the loop variable");
  Ref<Iterator> iterator = run_through(meter, value, false);
  if (iterator == nullptr) fail(std::string("'") + type_name(value) + "' object is not iterable");
  return iterator;
}

Ref<Iterator> iterate_backwards(Meter& meter, const Value& value) {
  return run_through(meter, value, true);
}

bool iterable(const Value& value) {
  return value.text() != nullptr || value.sequence() != nullptr || value.dict() != nullptr ||
         value.undefined() != nullptr || value.is<Ref<const DictView>>() ||
         value.is<Ref<const Range>>() || value.is<Ref<Iterator>>() || value.is<Ref<Loop>>();
}

Ref<Iterator> make_generator(Meter& meter, int depth, std::function<bool(Value&)> step,
                             std::size_t captured) {
  if (depth > kMaxNesting) fail_limit("iterators nested too deeply");
  return std::make_shared<Generator>(meter, depth, std::move(step), captured);
}

std::vector<Value> items_of(Meter& meter, const Value& value) {
  if (const Sequence* sequence = value.sequence()) {
    meter.step_over_items(sequence->items.size());
    meter.expect_room(sequence->items.size() * sizeof(Value));
    return sequence->items;
  }
  std::vector<Value> items;
  const Ref<Iterator> iterator = iterate(meter, value);
  for (Value item; iterator->next(item);) {
    items.push_back(std::move(item));
    if (items.size() % 1024 == 0) meter.expect_room(items.size() * 2 * sizeof(Value));
  }
  return items;
}

std::int64_t length_or_none(const Value& value) {
  if (const Text* text = value.text()) return static_cast<std::int64_t>(text->length);
  if (const Sequence* sequence = value.sequence()) {
    return static_cast<std::int64_t>(sequence->items.size());
  }
  if (const Dict* dict = value.dict()) return static_cast<std::int64_t>(dict->entries().size());
  if (const auto* view = value.get<Ref<const DictView>>()) {
    return static_cast<std::int64_t>((*view)->dict->entries().size());
  }
  if (const auto* range = value.get<Ref<const Range>>()) return (*range)->length();
  return value.undefined() != nullptr ? 0 : -1;
}

std::int64_t length_of(const Value& value) {
  const std::int64_t length = length_or_none(value);
  if (length < 0) fail(std::string("object of type '") + type_name(value) + "' has no len()");
  return length;
}

bool point_at(Meter& meter, const Text& text, Integer index, Value& point) {
  const auto length = static_cast<Integer>(text.length);
  if (index < 0) index += length;
  if (index < 0 || index >= length) return false;
  auto byte = static_cast<std::size_t>(index);
  if (!text.ascii()) {
    meter.step(static_cast<std::int64_t>(text.bytes.size() / 256));
    byte = byte_of_point(text.bytes, byte);
  }
  std::string bytes;
  append_point(bytes, next_point(text.bytes, byte));
  point = make_text(meter, std::move(bytes), text.markup);
  return true;
}

}  // namespace tessera::jinja
