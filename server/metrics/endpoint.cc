#include "server/metrics/endpoint.h"

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>

#include <exception>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/config/address.h"
#include "server/lifecycle/listen.h"

namespace tessera {

MetricsEndpoint::MetricsEndpoint(std::string address, const Metrics& metrics)
    : address_(std::move(address)), collectable_(metrics.collectable()) {}

MetricsEndpoint::~MetricsEndpoint() = default;

absl::Status MetricsEndpoint::start() {
  absl::StatusOr<Address> address = parse_address(address_);
  if (!address.ok()) return address.status();
  // The HTTP library takes numbers only.
  std::string listening = address_;
  if (address->host == "localhost") listening = absl::StrCat("127.0.0.1:", address->port);
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

void MetricsEndpoint::stop() { exposer_.reset(); }

int MetricsEndpoint::port() const { return exposer_->GetListeningPorts().at(0); }

}  // namespace tessera
