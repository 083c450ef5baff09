#include "server/grpc/newest_events.h"

#include <algorithm>
#include <utility>

namespace tessera {

bool NewestEvents::push(DiffusionEvent event) {
  const auto same = std::find_if(events_.begin(), events_.end(), [&](const auto& other) {
    return other->index() == event.index();
  });
  if (same != events_.end()) events_.erase(same);
  events_.push_back(std::make_unique<DiffusionEvent>(std::move(event)));
  return true;
}

std::optional<DiffusionEvent> NewestEvents::pop() {
  if (events_.empty()) return std::nullopt;
  const std::unique_ptr<DiffusionEvent> event = std::move(events_.front());
  events_.pop_front();
  return std::move(*event);
}

}  // namespace tessera
