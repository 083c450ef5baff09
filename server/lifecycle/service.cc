#include "server/lifecycle/service.h"

#include <spdlog/spdlog.h>

namespace tessera {

ServiceList::~ServiceList() { stop(); }

absl::Status ServiceList::start() {
  for (Service* service : services_) {
    spdlog::debug("starting {}", service->name());
    ++started_;
    if (absl::Status status = service->start(); !status.ok()) {
      stop();
      return status;
    }
  }
  return absl::OkStatus();
}

void ServiceList::drain(std::chrono::steady_clock::time_point deadline) {
  for (size_t left = started_; left > 0; --left) {
    spdlog::debug("draining {}", services_[left - 1]->name());
    services_[left - 1]->drain(deadline);
  }
}

void ServiceList::stop() {
  for (; started_ > 0; --started_) {
    spdlog::debug("stopping {}", services_[started_ - 1]->name());
    services_[started_ - 1]->stop();
  }
}

}  // namespace tessera
