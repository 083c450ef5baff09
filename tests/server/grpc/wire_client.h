// A gRPC client for tests, without gRPC headers: calls of a server in this process over a real
// socket.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "grpc/health/v1/health.pb.h"
#include "tessera/v1/generation.pb.h"

namespace tessera {

struct CallStatus {
  int code = -1;
  std::string message;
  std::string details;  // grpc-status-details-bin
};

struct CallResult {
  std::vector<v1::GenerateTextEvent> events;
  CallStatus status;
  std::string text() const;  // of all deltas
};

// One call under way. Cancelled when destroyed early.
class LiveCall {
 public:
  LiveCall(int port, const v1::GenerateTextRequest& request,
           std::optional<std::chrono::milliseconds> deadline = std::nullopt);
  ~LiveCall();

  std::optional<v1::GenerateTextEvent> read();  // nullopt: no more
  void cancel();
  CallStatus finish();  // reads what is left

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

CallResult generate(int port, const v1::GenerateTextRequest& request,
                    std::optional<std::chrono::milliseconds> deadline = std::nullopt);
using AnyDenoise =
    std::variant<v1::GenerateImageRequest, v1::GenerateVideoRequest, v1::PredictActionRequest>;

// The same of a diffusion model.
class LiveDenoise {
 public:
  LiveDenoise(int port, const AnyDenoise& request,
              std::optional<std::chrono::milliseconds> deadline = std::nullopt);
  ~LiveDenoise();

  std::optional<v1::DenoiseEvent> read();  // nullopt: no more
  void cancel();
  CallStatus finish();  // reads what is left

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

struct DenoiseResult {
  std::vector<v1::DenoiseEvent> events;
  CallStatus status;
};
DenoiseResult denoise(int port, const AnyDenoise& request,
                      std::optional<std::chrono::milliseconds> deadline = std::nullopt);

// One message of any bytes to any method; the replies' bytes, one after the other.
struct RawResult {
  std::string replies;
  CallStatus status;
};
RawResult raw_call(int port, const std::string& method, const std::string& bytes);

// The status, or SERVICE_UNKNOWN for NOT_FOUND; UNKNOWN when there is no answer.
grpc::health::v1::HealthCheckResponse::ServingStatus health(int port, const std::string& service);

// Watches one service; `next` blocks for the next status.
class HealthWatcher {
 public:
  HealthWatcher(int port, const std::string& service);
  ~HealthWatcher();
  std::optional<grpc::health::v1::HealthCheckResponse::ServingStatus> next();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace tessera
