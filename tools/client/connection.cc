#include "tools/client/connection.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <mutex>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tessera/v1/generation.grpc.pb.h"

namespace tessera {
namespace {

// What the libraries have to say is for developers; the status of the call says it for people.
void be_silent(gpr_log_func_args*) {}
void be_silent(google::protobuf::LogLevel, const char*, int, const std::string&) {}

void set_timeout(grpc::ClientContext& context, double seconds) {
  if (seconds > 0)
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::duration_cast<std::chrono::system_clock::duration>(
                             std::chrono::duration<double>(seconds)));
}

}  // namespace

struct Connection::Parts {
  std::string address;
  std::shared_ptr<grpc::Channel> channel;
  std::mutex mutex;
  grpc::ClientContext* context = nullptr;  // of the call under way
  bool cancelled = false;

  absl::Status explain(const grpc::Status& status) const {
    const bool unreachable =
        status.error_code() == grpc::StatusCode::UNAVAILABLE &&
        channel->GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_TRANSIENT_FAILURE;
    if (unreachable)
      return absl::UnavailableError(absl::StrCat(
          "nothing answers on ", address, "; is tesserad running? (tesserad --help says how)"));
    if (absl::StartsWith(status.error_message(), "Socket closed"))
      return absl::UnavailableError("the daemon went away during the call");
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  }
};

Connection::Connection(const std::string& address) : parts_(new Parts) {
  gpr_set_log_function(be_silent);
  google::protobuf::SetLogHandler(be_silent);
  parts_->address = address;
  parts_->channel = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
}

Connection::~Connection() = default;

// `start` begins the call and gives its reader.
template <class Event, class Start>
absl::Status Connection::run(double timeout_seconds,
                             const std::function<void(const Event&)>& on_event,
                             const Start& start) {
  auto stub = v1::Generation::NewStub(parts_->channel);
  grpc::ClientContext context;
  set_timeout(context, timeout_seconds);
  auto reader = start(*stub, context);
  {
    std::lock_guard lock(parts_->mutex);
    parts_->context = &context;
    if (parts_->cancelled) context.TryCancel();
  }
  Event event;
  while (reader->Read(&event)) on_event(event);
  const grpc::Status status = reader->Finish();
  std::lock_guard lock(parts_->mutex);
  parts_->context = nullptr;
  return status.ok() ? absl::OkStatus() : parts_->explain(status);
}

absl::Status Connection::generate(
    const v1::GenerateTextRequest& request, double timeout_seconds,
    const std::function<void(const v1::GenerateTextEvent&)>& on_event) {
  return run(timeout_seconds, on_event, [&](auto& stub, grpc::ClientContext& context) {
    return stub.GenerateText(&context, request);
  });
}

absl::Status Connection::generate(const v1::GenerateImageRequest& request, double timeout_seconds,
                                  const OnDenoise& on_event) {
  return run(timeout_seconds, on_event, [&](auto& stub, grpc::ClientContext& context) {
    return stub.GenerateImage(&context, request);
  });
}

absl::Status Connection::generate(const v1::GenerateVideoRequest& request, double timeout_seconds,
                                  const OnDenoise& on_event) {
  return run(timeout_seconds, on_event, [&](auto& stub, grpc::ClientContext& context) {
    return stub.GenerateVideo(&context, request);
  });
}

absl::Status Connection::generate(const v1::PredictActionRequest& request, double timeout_seconds,
                                  const OnDenoise& on_event) {
  return run(timeout_seconds, on_event, [&](auto& stub, grpc::ClientContext& context) {
    return stub.PredictAction(&context, request);
  });
}

void Connection::cancel() {
  std::lock_guard lock(parts_->mutex);
  parts_->cancelled = true;
  if (parts_->context != nullptr) parts_->context->TryCancel();
}

absl::StatusOr<bool> Connection::serving(const std::string& service, double timeout_seconds) {
  using namespace grpc::health::v1;  // NOLINT: three names of one contract
  auto stub = Health::NewStub(parts_->channel);
  grpc::ClientContext context;
  set_timeout(context, timeout_seconds);
  HealthCheckRequest request;
  request.set_service(service);
  HealthCheckResponse response;
  const grpc::Status status = stub->Check(&context, request, &response);
  if (!status.ok()) return parts_->explain(status);
  return response.status() == HealthCheckResponse::SERVING;
}

}  // namespace tessera
