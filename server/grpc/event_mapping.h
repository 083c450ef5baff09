// Engine events to wire messages: mostly one to one; what is too large for a message is cut into
// several, in order. Each message carries the request id. One per stream, used by one thread at a
// time.
#pragma once

#include <optional>
#include <string>

#include "engine/api/event.h"
#include "tessera/v1/generation.pb.h"

namespace tessera {

// Larger events are cut near this size, which leaves room below the 1 MiB that no message exceeds.
constexpr size_t kCutBytes = 512 << 10;

class WireEvents {
 public:
  explicit WireEvents(RequestId id) : id_(std::move(id)) {}

  // REQUIRES: done(), that is, next() has given all of the event before.
  void load(Event event);
  bool done() const { return !event_.has_value(); }
  // The next message of the loaded event. REQUIRES: !done().
  void next(v1::GenerateTextEvent& out);

 private:
  void next_prompt(PromptProcessed& prompt, v1::PromptProcessed& out);
  void next_delta(Delta& delta, v1::TextDelta& out);

  RequestId id_;
  std::optional<Event> event_;
  size_t tokens_sent_ = 0, text_sent_ = 0;  // of a prompt or delta that is being cut
};

}  // namespace tessera
