#include "engine/chat/loop.h"

#include "engine/chat/iterate.h"

namespace tessera::jinja {

Loop::Loop(Meter& meter, Value source, Ref<Iterator> items)
    : depth(nesting_around(Value(items))),
      source_(std::move(source)),
      items_(std::move(items)),
      charge_(meter, 2 * sizeof(Loop)) {}

void Loop::peek() {
  if (!ended_ && ahead_.is_missing()) ended_ = !items_->next(ahead_);
}

bool Loop::advance(Value& item) {
  peek();
  if (ended_ && ahead_.is_missing()) return false;
  item = std::move(ahead_);
  ahead_ = Value();
  ++index0;
  previous = std::move(current);
  current = item;
  return true;
}

bool Loop::is_last() {
  peek();
  return ahead_.is_missing();
}

const Value* Loop::next_item() {
  peek();
  return ahead_.is_missing() ? nullptr : &ahead_;
}

void Loop::close() {
  ended_ = true;
  if (length_ < 0) length_ = index0 + 1;
  items_ = nullptr;
}

void Loop::clear() {
  close();
  for (Value* value : {&previous, &current, &changed_last, &source_, &ahead_}) *value = Value();
}

std::int64_t Loop::length(Meter& meter) {
  if (length_ >= 0) return length_;
  length_ = source_.is<Ref<Iterator>>() || source_.is_missing() ? -1 : length_or_none(source_);
  if (length_ < 0) {
    std::vector<Value> rest;
    for (Value item; items_->next(item);) rest.push_back(std::move(item));
    length_ = static_cast<std::int64_t>(rest.size()) + index0 + 1 + (ahead_.is_missing() ? 0 : 1);
    items_ = iterate(meter, make_list(meter, std::move(rest)));
  }
  return length_;
}

}  // namespace tessera::jinja
