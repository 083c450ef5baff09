// Calls to a daemon, without gRPC headers. Main thread; cancel() from any.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tessera/v1/generation.pb.h"

namespace tessera {

class Connection {
 public:
  explicit Connection(const std::string& address);
  ~Connection();

  // Calls `on_event` for each event, as it comes; the status of the call. A daemon that cannot be
  // reached is UNAVAILABLE with a sentence that says so. `timeout_seconds` 0 = none.
  absl::Status generate(const v1::GenerateTextRequest& request, double timeout_seconds,
                        const std::function<void(const v1::GenerateTextEvent&)>& on_event);
  using OnDenoise = std::function<void(const v1::DenoiseEvent&)>;
  absl::Status generate(const v1::GenerateImageRequest& request, double timeout_seconds,
                        const OnDenoise& on_event);
  absl::Status generate(const v1::GenerateVideoRequest& request, double timeout_seconds,
                        const OnDenoise& on_event);
  absl::Status generate(const v1::PredictActionRequest& request, double timeout_seconds,
                        const OnDenoise& on_event);
  void cancel();  // the call under way, or the next one

  // Is the named service (grpc.health.v1) serving?
  absl::StatusOr<bool> serving(const std::string& service, double timeout_seconds);

 private:
  struct Parts;
  template <class Event, class Start>
  absl::Status run(double timeout_seconds, const std::function<void(const Event&)>& on_event,
                   const Start& start);

  std::unique_ptr<Parts> parts_;
};

}  // namespace tessera
