#include "server/grpc/generation_service.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/grpc/denoise_request_mapping.h"
#include "server/grpc/request_mapping.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kTextBytesMax = 1 << 20;

template <class Wire>
absl::StatusOr<Wire> parse(const grpc::ByteBuffer& bytes) {
  Wire wire;
  grpc::ByteBuffer readable(bytes);  // shares the bytes; reading consumes the handle
  if (!grpc::SerializationTraits<Wire>::Deserialize(&readable, &wire).ok())
    return absl::InvalidArgumentError(
        "the request cannot be read: its bytes are damaged, or a text in it is not UTF-8");
  return wire;
}

absl::StatusOr<TextRequest> read_text(const grpc::ByteBuffer& bytes) {
  if (bytes.Length() > kTextBytesMax)
    return absl::ResourceExhaustedError(absl::StrCat(
        "the request has ", bytes.Length(), " bytes, at most ", kTextBytesMax, " are taken"));
  const absl::StatusOr<v1::GenerateTextRequest> wire = parse<v1::GenerateTextRequest>(bytes);
  if (!wire.ok()) return wire.status();
  return to_text_request(*wire);
}

template <class Wire>
absl::StatusOr<DenoiseRequest> read_denoise(const grpc::ByteBuffer& bytes) {
  const absl::StatusOr<Wire> wire = parse<Wire>(bytes);
  if (!wire.ok()) return wire.status();
  return to_denoise_request(*wire);
}

Clock::duration duration_of(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

GenerationService::GenerationService(
    const ServerConfig& config,
    std::function<void(const std::string&, absl::StatusCode)> on_refused)
    : settings_{.buffer_bytes = static_cast<size_t>(config.stream_buffer_bytes),
                .log_requests = config.log_requests,
                .on_refused = std::move(on_refused)},
      text_pump_(duration_of(config.stall_seconds)),
      denoise_pump_(duration_of(config.stall_seconds)),
      admission_(static_cast<int>(config.admission_threads),
                 static_cast<size_t>(config.admission_queue_max)) {}

template <class Call>
GenerationService::Writer* GenerationService::start(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* request,
                                                    StreamPump& pump,
                                                    typename CallStream<Call>::Read read) {
  auto stream = std::make_shared<CallStream<Call>>(context, pump, settings_);
  CallStream<Call>* const reactor = stream.get();
  // Known to the pump before the door is checked, so that detach() waits for it either way.
  pump.add(stream);
  std::shared_ptr<const Engines> engines;
  std::string why;
  {
    std::lock_guard lock(mutex_);
    engines = engines_;
    why = closed_why_;
  }
  if (engines == nullptr) {
    stream->refuse(absl::UnavailableError(why));
  } else if (!admission_.submit([stream, request, engines, read = std::move(read)] {
               stream->open(*request, read, *engines);
             })) {
    stream->refuse(absl::ResourceExhaustedError(
        "too many requests wait to be checked (limits.admission_queue_max)"));
  }
  return reactor;
}

GenerationService::Writer* GenerationService::GenerateText(grpc::CallbackServerContext* context,
                                                           const grpc::ByteBuffer* request) {
  return start<TextCall>(context, request, text_pump_, read_text);
}

GenerationService::Writer* GenerationService::GenerateImage(grpc::CallbackServerContext* context,
                                                            const grpc::ByteBuffer* request) {
  return start<DenoiseCall>(context, request, denoise_pump_,
                            read_denoise<v1::GenerateImageRequest>);
}

GenerationService::Writer* GenerationService::GenerateVideo(grpc::CallbackServerContext* context,
                                                            const grpc::ByteBuffer* request) {
  return start<DenoiseCall>(context, request, denoise_pump_,
                            read_denoise<v1::GenerateVideoRequest>);
}

GenerationService::Writer* GenerationService::PredictAction(grpc::CallbackServerContext* context,
                                                            const grpc::ByteBuffer* request) {
  return start<DenoiseCall>(context, request, denoise_pump_,
                            read_denoise<v1::PredictActionRequest>);
}

void GenerationService::open(const Engines& engines) {
  std::lock_guard lock(mutex_);
  engines_ = std::make_shared<const Engines>(engines);
}

void GenerationService::close(const std::string& why) {
  std::lock_guard lock(mutex_);
  engines_ = nullptr;
  closed_why_ = why;
}

void GenerationService::detach(Clock::time_point deadline) {
  close("the server is shutting down");
  for (StreamPump* pump : {&text_pump_, &denoise_pump_}) {
    if (pump->wait_empty(deadline)) continue;
    pump->abort_all();
    // A dropped call ends as soon as gRPC has told it so; nothing outside this process can delay
    // that.
    pump->wait_empty(Clock::time_point::max());
  }
}

}  // namespace tessera
