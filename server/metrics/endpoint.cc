#include "server/metrics/endpoint.h"

#include <netdb.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <sys/socket.h>
#include <unistd.h>

#include <exception>
#include <future>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/config/address.h"
#include "server/lifecycle/listen.h"

namespace tessera {
namespace {

// Connects and goes away.
void knock(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return;
  const int visitor = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (visitor >= 0) {
    (void)connect(visitor, found->ai_addr, found->ai_addrlen);
    close(visitor);
  }
  freeaddrinfo(found);
}

}  // namespace

MetricsEndpoint::MetricsEndpoint(std::string address, const Metrics& metrics)
    : address_(std::move(address)), collectable_(metrics.collectable()) {}

MetricsEndpoint::~MetricsEndpoint() = default;

absl::Status MetricsEndpoint::start() {
  absl::StatusOr<Address> address = parse_address(address_);
  if (!address.ok()) return address.status();
  // The HTTP library takes numbers only.
  std::string listening = address_;
  host_ = address->host;
  if (host_ == "localhost") {
    host_ = "127.0.0.1";
    listening = absl::StrCat(host_, ":", address->port);
  }
  try {
    const std::vector<std::string> options{"listening_ports",    listening, "num_threads", "2",
                                           "request_timeout_ms", "10000"};
    exposer_ = std::make_unique<prometheus::Exposer>(options);
    exposer_->RegisterCollectable(collectable_);
  } catch (const std::exception&) {
    exposer_.reset();
    return listen_error("server.metrics_address", address_);
  }
  return absl::OkStatus();
}

// The HTTP library looks at its stop flag when somebody connects, or every two seconds.
void MetricsEndpoint::stop() {
  if (exposer_ == nullptr) return;
  const std::string port = std::to_string(this->port());
  std::future<void> ending = std::async(std::launch::async, [this] { exposer_.reset(); });
  while (ending.wait_for(std::chrono::milliseconds(10)) != std::future_status::ready)
    knock(host_, port);
}

int MetricsEndpoint::port() const { return exposer_->GetListeningPorts().at(0); }

}  // namespace tessera
