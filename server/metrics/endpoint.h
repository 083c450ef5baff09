// Serves /metrics over HTTP to Prometheus. No other path, no writing.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "server/lifecycle/service.h"
#include "server/metrics/metrics.h"

namespace prometheus {
class Exposer;
}

namespace tessera {

class MetricsEndpoint final : public Service {
 public:
  MetricsEndpoint(std::string address, const Metrics& metrics);
  ~MetricsEndpoint() override;

  std::string name() const override { return "metrics"; }
  absl::Status start() override;
  void drain(std::chrono::steady_clock::time_point) override {}
  void stop() override;
  int port() const;  // the one that was bound; after start()

 private:
  const std::string address_;
  std::string host_;  // as the listener got it
  const std::shared_ptr<prometheus::Collectable> collectable_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace tessera
