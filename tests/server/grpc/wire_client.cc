#include "server/grpc/wire_client.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tessera/v1/generation.grpc.pb.h"

namespace tessera {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

std::shared_ptr<grpc::Channel> connect(int port) {
  grpc::ChannelArguments arguments;
  // Every test talks to a server of its own; shared connections would mix them up.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // What the server accepts is under test, not what this client would send.
  arguments.SetMaxSendMessageSize(-1);
  return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port),
                                   grpc::InsecureChannelCredentials(), arguments);
}

CallStatus call_status(const grpc::Status& status) {
  return {status.error_code(), status.error_message(), status.error_details()};
}

}  // namespace

std::string CallResult::text() const {
  std::string text;
  for (const v1::GenerateTextEvent& event : events) text += event.delta().text();
  return text;
}

struct LiveCall::Parts {
  grpc::ClientContext context;
  std::unique_ptr<v1::Generation::Stub> stub;
  std::unique_ptr<grpc::ClientReader<v1::GenerateTextEvent>> reader;
  bool finished = false;
};

LiveCall::LiveCall(int port, const v1::GenerateTextRequest& request,
                   std::optional<std::chrono::milliseconds> deadline)
    : parts_(new Parts) {
  if (deadline) parts_->context.set_deadline(std::chrono::system_clock::now() + *deadline);
  parts_->stub = v1::Generation::NewStub(connect(port));
  parts_->reader = parts_->stub->GenerateText(&parts_->context, request);
}

LiveCall::~LiveCall() {
  if (parts_->finished) return;
  cancel();
  finish();
}

std::optional<v1::GenerateTextEvent> LiveCall::read() {
  v1::GenerateTextEvent event;
  if (!parts_->reader->Read(&event)) return std::nullopt;
  return event;
}

void LiveCall::cancel() { parts_->context.TryCancel(); }

CallStatus LiveCall::finish() {
  while (read()) {
  }
  parts_->finished = true;
  return call_status(parts_->reader->Finish());
}

CallResult generate(int port, const v1::GenerateTextRequest& request,
                    std::optional<std::chrono::milliseconds> deadline) {
  LiveCall call(port, request, deadline);
  CallResult result;
  while (auto event = call.read()) result.events.push_back(*std::move(event));
  result.status = call.finish();
  return result;
}

struct LiveDenoise::Parts {
  grpc::ClientContext context;
  std::unique_ptr<v1::Generation::Stub> stub;
  std::unique_ptr<grpc::ClientReader<v1::DenoiseEvent>> reader;
  bool finished = false;

  auto start(const v1::GenerateImageRequest& request) {
    return stub->GenerateImage(&context, request);
  }
  auto start(const v1::GenerateVideoRequest& request) {
    return stub->GenerateVideo(&context, request);
  }
  auto start(const v1::PredictActionRequest& request) {
    return stub->PredictAction(&context, request);
  }
};

LiveDenoise::LiveDenoise(int port, const AnyDenoise& request,
                         std::optional<std::chrono::milliseconds> deadline)
    : parts_(new Parts) {
  if (deadline) parts_->context.set_deadline(std::chrono::system_clock::now() + *deadline);
  parts_->stub = v1::Generation::NewStub(connect(port));
  parts_->reader = std::visit([this](const auto& one) { return parts_->start(one); }, request);
}

LiveDenoise::~LiveDenoise() {
  if (parts_->finished) return;
  cancel();
  finish();
}

std::optional<v1::DenoiseEvent> LiveDenoise::read() {
  v1::DenoiseEvent event;
  if (!parts_->reader->Read(&event)) return std::nullopt;
  return event;
}

void LiveDenoise::cancel() { parts_->context.TryCancel(); }

CallStatus LiveDenoise::finish() {
  while (read()) {
  }
  parts_->finished = true;
  return call_status(parts_->reader->Finish());
}

DenoiseResult denoise(int port, const AnyDenoise& request,
                      std::optional<std::chrono::milliseconds> deadline) {
  LiveDenoise call(port, request, deadline);
  DenoiseResult result;
  while (auto event = call.read()) result.events.push_back(*std::move(event));
  result.status = call.finish();
  return result;
}

RawResult raw_call(int port, const std::string& method, const std::string& bytes) {
  grpc::GenericStub stub(connect(port));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  grpc::CompletionQueue queue;
  const auto wait = [&] {
    void* tag;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  RawResult result;
  auto call = stub.PrepareCall(&context, method, &queue);
  call->StartCall(nullptr);
  bool ok = wait();
  const grpc::Slice slice(bytes);
  if (ok) {
    call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), nullptr);
    ok = wait();
  }
  while (ok) {
    grpc::ByteBuffer reply;
    call->Read(&reply, nullptr);
    ok = wait();
    std::vector<grpc::Slice> slices;
    if (ok && reply.Dump(&slices).ok()) {
      for (const grpc::Slice& part : slices)
        result.replies.append(reinterpret_cast<const char*>(part.begin()), part.size());
    }
  }
  grpc::Status status;
  call->Finish(&status, nullptr);
  wait();
  result.status = call_status(status);
  return result;
}

HealthCheckResponse::ServingStatus health(int port, const std::string& service) {
  auto stub = grpc::health::v1::Health::NewStub(connect(port));
  grpc::ClientContext context;
  HealthCheckRequest request;
  request.set_service(service);
  HealthCheckResponse response;
  const grpc::Status status = stub->Check(&context, request, &response);
  if (status.error_code() == grpc::StatusCode::NOT_FOUND)
    return HealthCheckResponse::SERVICE_UNKNOWN;
  return status.ok() ? response.status() : HealthCheckResponse::UNKNOWN;
}

struct HealthWatcher::Parts {
  grpc::ClientContext context;
  std::unique_ptr<grpc::health::v1::Health::Stub> stub;
  std::unique_ptr<grpc::ClientReader<HealthCheckResponse>> reader;
};

HealthWatcher::HealthWatcher(int port, const std::string& service) : parts_(new Parts) {
  HealthCheckRequest request;
  request.set_service(service);
  parts_->stub = grpc::health::v1::Health::NewStub(connect(port));
  parts_->reader = parts_->stub->Watch(&parts_->context, request);
}

HealthWatcher::~HealthWatcher() {
  parts_->context.TryCancel();
  while (next()) {
  }
  parts_->reader->Finish();
}

std::optional<HealthCheckResponse::ServingStatus> HealthWatcher::next() {
  HealthCheckResponse response;
  if (!parts_->reader->Read(&response)) return std::nullopt;
  return response.status();
}

}  // namespace tessera
