// The rpcs of tessera.v1.Generation: each call becomes a stream that an engine feeds. The door is
// closed until the engines are there and once the daemon drains.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "server/config/config.h"
#include "server/grpc/admission.h"
#include "server/grpc/call_stream.h"
#include "server/grpc/engines.h"
#include "server/grpc/stream_pump.h"
#include "tessera/v1/generation.grpc.pb.h"

namespace tessera {

using RawText = v1::Generation::WithRawCallbackMethod_GenerateText<v1::Generation::Service>;
using RawImage = v1::Generation::WithRawCallbackMethod_GenerateImage<RawText>;
using RawVideo = v1::Generation::WithRawCallbackMethod_GenerateVideo<RawImage>;
using RawAction = v1::Generation::WithRawCallbackMethod_PredictAction<RawVideo>;

// Requests come as bytes: they are parsed on the admission threads, and what cannot be parsed gets
// a status of ours.
class GenerationService final : public RawAction {
 public:
  using Writer = grpc::ServerWriteReactor<grpc::ByteBuffer>;

  GenerationService(const ServerConfig& config,
                    std::function<void(const std::string&, absl::StatusCode)> on_refused);

  Writer* GenerateText(grpc::CallbackServerContext* context,
                       const grpc::ByteBuffer* request) override;
  Writer* GenerateImage(grpc::CallbackServerContext* context,
                        const grpc::ByteBuffer* request) override;
  Writer* GenerateVideo(grpc::CallbackServerContext* context,
                        const grpc::ByteBuffer* request) override;
  Writer* PredictAction(grpc::CallbackServerContext* context,
                        const grpc::ByteBuffer* request) override;

  // Any thread. The engines are used until detach() returns.
  void open(const Engines& engines);
  void close(const std::string& why);
  // Closes, waits for the live streams to send what they have, and drops those that have not by
  // `deadline`.
  void detach(std::chrono::steady_clock::time_point deadline);
  size_t live_streams() const { return text_pump_.live() + denoise_pump_.live(); }

 private:
  template <class Call>
  Writer* start(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request,
                StreamPump& pump, typename CallStream<Call>::Read read);

  const StreamSettings settings_;
  std::mutex mutex_;
  std::shared_ptr<const Engines> engines_;  // null: closed, because of closed_why_
  std::string closed_why_ = "the model is still loading";
  StreamPump text_pump_;
  StreamPump denoise_pump_;  // encodes pictures, which would hold up text
  Admission admission_;
};

}  // namespace tessera
