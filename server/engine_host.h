// Keeps the engine: loads the model, opens the frontend to it, watches its health, and at the end
// drains it and takes it down before the frontend goes. Main thread, and one thread of its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/run/engine.h"
#include "server/grpc/frontend.h"
#include "server/lifecycle/service.h"

namespace tessera {

class EngineHost final : public Service {
 public:
  using Create = std::function<absl::StatusOr<std::unique_ptr<Engine>>()>;

  // `check_period` is how often the engine's health is asked for.
  EngineHost(Create create, Frontend& frontend,
             std::chrono::steady_clock::duration check_period = std::chrono::seconds(1));
  ~EngineHost() override;

  std::string name() const override { return "engine"; }
  absl::Status start() override;
  void drain(std::chrono::steady_clock::time_point deadline) override;
  void stop() override;
  const Engine& engine() const { return *engine_; }  // after start()

 private:
  void watch();

  const Create create_;
  Frontend& frontend_;
  const std::chrono::steady_clock::duration check_period_;
  std::unique_ptr<Engine> engine_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool draining_ = false, ending_ = false;
  std::thread watcher_;
};

}  // namespace tessera
