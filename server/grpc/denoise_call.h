// What CallStream needs to know of GenerateImage, GenerateVideo and PredictAction.
#pragma once

#include <optional>
#include <string>

#include "engine/api/diffusion.h"
#include "server/grpc/denoise_messages.h"
#include "server/grpc/denoise_request_mapping.h"
#include "server/grpc/engines.h"
#include "server/grpc/newest_events.h"
#include "tessera/v1/generation.pb.h"

namespace tessera {

struct DenoiseCall {
  using Engine = DiffusionEngine;
  using Request = DenoiseRequest;
  using Event = DiffusionEvent;
  using Sink = DiffusionSink;
  using Buffer = NewestEvents;
  using Messages = DenoiseMessages;
  using WireEvent = v1::DenoiseEvent;
  // Pictures are encoded on the way out; a network thread has other calls to serve.
  static constexpr bool kBuildsOnPump = true;

  static DiffusionRequest& core(Request& request) { return request.core; }
  static std::optional<uint64_t>& seed(Request& request) { return request.core.seed; }
  static absl::StatusOr<Engine*> route(const Engines& engines, const Request& request);
  static Messages messages(const Request& request) {
    return Messages(request.core.id, request.output);
  }
  // The engine names fields as it knows them; the client gets their paths in its request.
  static absl::Status in_words_of_the_wire(absl::Status status);

  static bool is_last(const Event& event) {
    return std::holds_alternative<JobResult>(event) || std::holds_alternative<JobFailed>(event);
  }
  // Null unless the request has failed.
  static const absl::Status* failure(const Event& event) {
    const auto* failed = std::get_if<JobFailed>(&event);
    return failed == nullptr ? nullptr : &failed->status;
  }
  static Event failed(absl::Status status) { return JobFailed{std::move(status)}; }
  // For the log, of an event that is last and no failure.
  static std::string summary(const Event& last);
};

}  // namespace tessera
