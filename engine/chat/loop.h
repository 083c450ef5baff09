// The `loop` variable of a for statement: where the loop stands, with one item of look-ahead. Owned
// by the for statement that runs it and by values that refer to it; rendering thread only.
#pragma once

#include <cstdint>

#include "engine/chat/value.h"

namespace tessera::jinja {

struct Loop {
  Loop(Meter& meter, Value source, Ref<Iterator> items);

  // Moves to the next item; false at the end.
  bool advance(Value& item);
  // Whether the item advance() gave is the last one; runs the iterator one item ahead.
  bool is_last();
  // Total number of items; runs an iterator of unknown length to its end.
  std::int64_t length(Meter& meter);
  const Value* next_item();  // null at the end
  void close();              // gives no further items
  void clear();              // closes and lets go of all values

  std::int64_t index0 = -1;
  Value previous, current;  // missing before there is one
  Value changed_last;       // argument tuple of the last call of changed()
  int depth;

 private:
  void peek();

  Value source_;
  Ref<Iterator> items_;
  Value ahead_;  // missing unless peeked
  bool ended_ = false;
  std::int64_t length_ = -1;
  Charge charge_;
};

}  // namespace tessera::jinja
