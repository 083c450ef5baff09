// Events of one diffusion request that are not sent yet. While a client reads slowly it gets the
// newest position, step and preview only; the last event is never lost. So at most four wait. Not
// synchronised: the stream that owns it holds its lock.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>

#include "engine/api/diffusion.h"

namespace tessera {

class NewestEvents {
 public:
  // The bound in bytes is for streams of text; results of jobs are bounded by the samples that a
  // request may have.
  explicit NewestEvents(size_t /*bytes_max*/) {}

  // Always true: it fits.
  bool push(DiffusionEvent event);
  std::optional<DiffusionEvent> pop();
  void clear() { events_.clear(); }
  size_t size() const { return events_.size(); }

 private:
  std::deque<std::unique_ptr<DiffusionEvent>> events_;  // one of a kind
};

}  // namespace tessera
