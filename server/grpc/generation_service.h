// The rpcs of tessera.v1.Generation: each call becomes a stream that the engine feeds. The door is
// closed until an engine is there and once the daemon drains.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "server/config/config.h"
#include "server/grpc/admission.h"
#include "server/grpc/stream_pump.h"
#include "server/grpc/text_stream.h"
#include "tessera/v1/generation.grpc.pb.h"

namespace tessera {

// Requests come as bytes: they are parsed on the admission threads, and what cannot be parsed gets
// a status of ours.
class GenerationService final
    : public v1::Generation::WithRawCallbackMethod_GenerateText<v1::Generation::Service> {
 public:
  GenerationService(const ServerConfig& config, std::function<void(absl::StatusCode)> on_refused);

  grpc::ServerWriteReactor<grpc::ByteBuffer>* GenerateText(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) override;

  // Any thread. `engine` is used until detach() returns.
  void open(Engine& engine);
  void close(const std::string& why);
  // Closes, waits for the live streams to send what they have, and drops those that have not by
  // `deadline`.
  void detach(std::chrono::steady_clock::time_point deadline);
  size_t live_streams() const { return pump_.live(); }

 private:
  const StreamSettings settings_;
  std::mutex mutex_;
  Engine* engine_ = nullptr;  // null: closed, because of closed_why_
  std::string closed_why_ = "the model is still loading";
  StreamPump pump_;
  Admission admission_;
};

}  // namespace tessera
