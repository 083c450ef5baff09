#include "server/grpc/event_buffer.h"

#include <iterator>
#include <utility>

namespace tessera {
namespace {

void join(Delta& into, Delta&& more) {
  into.text += more.text;
  into.token_count += more.token_count;
  into.tokens.insert(into.tokens.end(), std::make_move_iterator(more.tokens.begin()),
                     std::make_move_iterator(more.tokens.end()));
}

}  // namespace

size_t delta_bytes(const Delta& delta) {
  size_t bytes = sizeof(Event) + delta.text.size();
  for (const TokenInfo& token : delta.tokens) {
    bytes += sizeof(TokenInfo) + token.text.size();
    for (const TokenAlternative& other : token.alternatives)
      bytes += sizeof(TokenAlternative) + other.text.size();
  }
  return bytes;
}

bool EventBuffer::push(Event event) {
  Delta* delta = std::get_if<Delta>(&event);
  if (delta == nullptr) {
    events_.push_back(std::move(event));
    return true;
  }
  const size_t bytes = delta_bytes(*delta);
  if (bytes_ + bytes > bytes_max_) return false;
  bytes_ += bytes;
  for (auto waiting = events_.rbegin(); waiting != events_.rend(); ++waiting) {
    Delta* earlier = std::get_if<Delta>(&*waiting);
    if (earlier == nullptr || earlier->output_index != delta->output_index) continue;
    join(*earlier, std::move(*delta));
    // The joined one has a head less; recount what pop() will give back.
    bytes_ -= sizeof(Event);
    return true;
  }
  events_.push_back(std::move(event));
  return true;
}

std::optional<Event> EventBuffer::pop() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  if (const Delta* delta = std::get_if<Delta>(&event)) bytes_ -= delta_bytes(*delta);
  return event;
}

void EventBuffer::clear() {
  events_.clear();
  bytes_ = 0;
}

}  // namespace tessera
