#include "server/grpc/health_service.h"

#include <grpcpp/support/server_callback.h>

#include <optional>
#include <utility>

namespace tessera {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// One Watch call. All state is under the service's mutex; deletes itself when gRPC is done with it.
class HealthWatch final : public grpc::ServerWriteReactor<HealthCheckResponse> {
 public:
  HealthWatch(HealthService& service, std::string name)
      : service_(service), name_(std::move(name)) {
    std::lock_guard lock(service_.mutex_);
    service_.watches_.insert(this);
    if (service_.ended_) {
      end();
    } else {
      send_if_changed();
    }
  }

  void OnWriteDone(bool ok) override {
    std::lock_guard lock(service_.mutex_);
    writing_ = false;
    if (!ok || ended_) return finish();
    send_if_changed();
  }
  void OnCancel() override {
    std::lock_guard lock(service_.mutex_);
    end();
  }
  void OnDone() override {
    {
      std::lock_guard lock(service_.mutex_);
      service_.watches_.erase(this);
    }
    delete this;
  }

  // The rest: mutex held.
  const std::string& name() const { return name_; }
  void send_if_changed() {
    const auto status = service_.status_of(name_);
    if (writing_ || finished_ || sent_ == status) return;
    sent_ = status;
    writing_ = true;
    response_.set_status(status);
    StartWrite(&response_);
  }
  void end() {
    ended_ = true;
    if (!writing_) finish();
  }

 private:
  void finish() {
    if (!std::exchange(finished_, true))
      Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the watch has ended"));
  }

  HealthService& service_;
  const std::string name_;
  HealthCheckResponse response_;
  std::optional<HealthCheckResponse::ServingStatus> sent_;
  bool writing_ = false, ended_ = false, finished_ = false;
};

HealthService::ServingStatus HealthService::status_of(const std::string& name) const {
  const auto found = serving_.find(name);
  if (found == serving_.end()) return HealthCheckResponse::SERVICE_UNKNOWN;
  return found->second ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* context,
                                               const HealthCheckRequest* request,
                                               HealthCheckResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  std::lock_guard lock(mutex_);
  const ServingStatus status = status_of(request->service());
  if (status == HealthCheckResponse::SERVICE_UNKNOWN) {
    reactor->Finish(grpc::Status(grpc::StatusCode::NOT_FOUND, "no such service"));
  } else {
    response->set_status(status);
    reactor->Finish(grpc::Status::OK);
  }
  return reactor;
}

grpc::ServerWriteReactor<HealthCheckResponse>* HealthService::Watch(
    grpc::CallbackServerContext*, const HealthCheckRequest* request) {
  return new HealthWatch(*this, request->service());
}

void HealthService::set(const std::string& name, bool serving) {
  std::lock_guard lock(mutex_);
  serving_[name] = serving;
  for (HealthWatch* watch : watches_) {
    if (watch->name() == name) watch->send_if_changed();
  }
}

void HealthService::end_watches() {
  std::lock_guard lock(mutex_);
  ended_ = true;
  for (HealthWatch* watch : watches_) watch->end();
}

}  // namespace tessera
