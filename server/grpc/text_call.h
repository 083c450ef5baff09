// What CallStream needs to know of a GenerateText call.
#pragma once

#include <optional>
#include <string>

#include "engine/api/event.h"
#include "engine/api/request.h"
#include "server/grpc/engines.h"
#include "server/grpc/event_buffer.h"
#include "server/grpc/event_mapping.h"
#include "tessera/v1/generation.pb.h"

namespace tessera {

struct TextCall {
  using Engine = tessera::Engine;
  using Request = TextRequest;
  using Event = tessera::Event;
  using Sink = EventSink;
  using Buffer = EventBuffer;
  using Messages = WireEvents;
  using WireEvent = v1::GenerateTextEvent;
  // Messages are small: whoever is at hand builds them.
  static constexpr bool kBuildsOnPump = false;

  static TextRequest& core(Request& request) { return request; }
  static std::optional<uint64_t>& seed(Request& request) { return request.sampling.seed; }
  static absl::StatusOr<Engine*> route(const Engines& engines, const Request& request) {
    return text_engine(engines, request.model);
  }
  static Messages messages(const Request& request) { return Messages(request.id); }
  static absl::Status in_words_of_the_wire(absl::Status status) { return status; }

  static bool is_last(const Event& event) {
    return std::holds_alternative<Completed>(event) || std::holds_alternative<Failed>(event);
  }
  // Null unless the request has failed.
  static const absl::Status* failure(const Event& event) {
    const auto* failed = std::get_if<Failed>(&event);
    return failed == nullptr ? nullptr : &failed->status;
  }
  static Event failed(absl::Status status) { return Failed{std::move(status), Usage{}}; }
  // For the log, of an event that is last and no failure.
  static std::string summary(const Event& last);
};

}  // namespace tessera
