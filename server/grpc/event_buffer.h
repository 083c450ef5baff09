// Events of one request that are not sent yet. While a client reads slowly its deltas are joined,
// one per output, so that messages get fewer and larger; tokens still count. Not synchronised: the
// stream that owns it holds its lock.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include "engine/api/event.h"

namespace tessera {

class EventBuffer {
 public:
  // `bytes_max` bounds the deltas that wait; other events are few and always taken.
  explicit EventBuffer(size_t bytes_max) : bytes_max_(bytes_max) {}

  // False when the deltas do not fit any more: the event is lost and the stream must end.
  bool push(Event event);
  std::optional<Event> pop();
  void clear();

  bool empty() const { return events_.empty(); }
  size_t size() const { return events_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  size_t bytes_max_;
  size_t bytes_ = 0;  // of the deltas in events_
  std::deque<Event> events_;
};

// What a delta holds in memory, roughly.
size_t delta_bytes(const Delta& delta);

}  // namespace tessera
