// The parts of the daemon in the order they start. Starting goes down the list; on SIGTERM each is
// asked to drain, last first, within one deadline, and then stopped, last first. So whoever
// starts later may use whoever started earlier, at every moment. Main thread only.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace tessera {

class Service {
 public:
  virtual ~Service() = default;
  virtual std::string name() const = 0;
  // Returns once it works; the message of an error is one sentence for the operator.
  virtual absl::Status start() = 0;
  // Takes no new work and waits for the work it has, until `deadline`.
  virtual void drain(std::chrono::steady_clock::time_point deadline) = 0;
  // Ends what is left. Called once for each service whose start() was called, even if it failed.
  virtual void stop() = 0;
};

class ServiceList {
 public:
  ~ServiceList();  // stops what runs

  // REQUIRES: before start(). Borrowed; outlives the list.
  void add(Service& service) { services_.push_back(&service); }
  // On an error stops what had started and returns it.
  absl::Status start();
  void drain(std::chrono::steady_clock::time_point deadline);
  void stop();

 private:
  std::vector<Service*> services_;
  size_t started_ = 0;
};

}  // namespace tessera
