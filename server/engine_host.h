// Keeps the engines: loads the models, opens the frontend to them, watches their health, and at the
// end drains them and takes them down before the frontend goes. Main thread, and one thread of its
// own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/diffusion/engine.h"
#include "engine/run/engine.h"
#include "server/grpc/frontend.h"
#include "server/lifecycle/service.h"

namespace tessera {

using AnyEngine = std::variant<std::unique_ptr<Engine>, std::unique_ptr<DiffusionEngine>>;

class EngineHost final : public Service {
 public:
  using Create = std::function<absl::StatusOr<AnyEngine>()>;

  // `creates` are called one after the other, at most one of them for a language model.
  // `check_period` is how often the engines' health is asked for.
  EngineHost(std::vector<Create> creates, Frontend& frontend,
             std::chrono::steady_clock::duration check_period = std::chrono::seconds(1));
  ~EngineHost() override;

  std::string name() const override { return "engines"; }
  absl::Status start() override;
  void drain(std::chrono::steady_clock::time_point deadline) override;
  void stop() override;
  // After start(), in the order they were created.
  const std::vector<AnyEngine>& engines() const { return engines_; }

 private:
  void watch();
  absl::Status health() const;

  const std::vector<Create> creates_;
  Frontend& frontend_;
  const std::chrono::steady_clock::duration check_period_;
  std::vector<AnyEngine> engines_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool draining_ = false, ending_ = false;
  std::thread watcher_;
};

}  // namespace tessera
