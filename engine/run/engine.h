// The engine of one model: owns its sequences, KV cache and streams, and one thread that runs the
// loop
//   inbox.drain -> plan_step -> reserve -> build -> launch -> collect(previous) -> commit ->
//   outbox.post
// Everything public here may be called from any thread.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/api/engine_config.h"
#include "engine/api/event.h"
#include "engine/api/observer.h"
#include "engine/api/request.h"

namespace tessera {

class Engine {
 public:
  // Loads the model (minutes for large ones), prints the memory plan to the log, measures the cost
  // model with warm-up steps. Errors name the file and field. `observer` may be null; it outlives
  // the engine.
  static absl::StatusOr<std::unique_ptr<Engine>> create(const EngineConfig& config,
                                                        EngineObserver* observer);
  virtual ~Engine() = default;

  // Checks and tokenises on the caller's thread, then queues. After OK, events go to `sink`.
  //   INVALID_ARGUMENT bad value (names field and bound) · UNIMPLEMENTED not supported by this
  //   model NOT_FOUND other model · ALREADY_EXISTS live request id · RESOURCE_EXHAUSTED queue full
  //   UNAVAILABLE draining or unhealthy · DEADLINE_EXCEEDED already past
  virtual absl::Status submit(TextRequest request, std::shared_ptr<EventSink> sink) = 0;

  // Ends a request within one step; its sink still gets its last event (Failed with CANCELLED).
  // NOT_FOUND when no such request is live.
  virtual absl::Status cancel(const RequestId& id) = 0;

  // Refuses new requests and waits until the live ones end or `deadline` passes; then cancels the
  // rest.
  virtual void drain(std::chrono::steady_clock::time_point deadline) = 0;

  virtual const ModelInfo& model() const = 0;
  virtual EngineLoad load() const = 0;
  // Not OK when the loop has work but made no step for 30 s.
  virtual absl::Status health() const = 0;
  // The memory plan and the cost model, as printed at start.
  virtual std::string describe() const = 0;
};

}  // namespace tessera
