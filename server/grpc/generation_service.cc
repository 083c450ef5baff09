#include "server/grpc/generation_service.h"

#include <utility>

#include "absl/status/status.h"

namespace tessera {

using Clock = std::chrono::steady_clock;

GenerationService::GenerationService(const ServerConfig& config,
                                     std::function<void(absl::StatusCode)> on_refused)
    : settings_{.buffer_bytes = static_cast<size_t>(config.stream_buffer_bytes),
                .log_requests = config.log_requests,
                .on_refused = std::move(on_refused)},
      pump_(std::chrono::duration_cast<Clock::duration>(
          std::chrono::duration<double>(config.stall_seconds))),
      admission_(static_cast<int>(config.admission_threads),
                 static_cast<size_t>(config.admission_queue_max)) {}

grpc::ServerWriteReactor<grpc::ByteBuffer>* GenerationService::GenerateText(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  auto stream = std::make_shared<TextStream>(context, pump_, settings_);
  TextStream* const reactor = stream.get();
  // Known to the pump before the door is checked, so that detach() waits for it either way.
  pump_.add(stream);
  Engine* engine;
  std::string why;
  {
    std::lock_guard lock(mutex_);
    engine = engine_;
    why = closed_why_;
  }
  if (engine == nullptr) {
    stream->refuse(absl::UnavailableError(why));
  } else if (!admission_.submit([stream, request, engine] { stream->open(*request, *engine); })) {
    stream->refuse(absl::ResourceExhaustedError(
        "too many requests wait to be checked (limits.admission_queue_max)"));
  }
  return reactor;
}

void GenerationService::open(Engine& engine) {
  std::lock_guard lock(mutex_);
  engine_ = &engine;
}

void GenerationService::close(const std::string& why) {
  std::lock_guard lock(mutex_);
  engine_ = nullptr;
  closed_why_ = why;
}

void GenerationService::detach(Clock::time_point deadline) {
  close("the server is shutting down");
  if (pump_.wait_empty(deadline)) return;
  pump_.abort_all();
  // A dropped call ends as soon as gRPC has told it so; nothing outside this process can delay
  // that.
  pump_.wait_empty(Clock::time_point::max());
}

}  // namespace tessera
