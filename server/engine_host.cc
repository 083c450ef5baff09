#include "server/engine_host.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace tessera {

using Clock = std::chrono::steady_clock;

namespace {
constexpr std::chrono::seconds kSendTime{5};  // for events that wait for their clients at the end
}

EngineHost::EngineHost(Create create, Frontend& frontend, Clock::duration check_period)
    : create_(std::move(create)), frontend_(frontend), check_period_(check_period) {}

EngineHost::~EngineHost() { stop(); }

absl::Status EngineHost::start() {
  absl::StatusOr<std::unique_ptr<Engine>> engine = create_();
  if (!engine.ok()) return engine.status();
  engine_ = *std::move(engine);
  frontend_.open(*engine_);
  watcher_ = std::thread([this] { watch(); });
  return absl::OkStatus();
}

void EngineHost::drain(Clock::time_point deadline) {
  if (engine_ == nullptr) return;
  {
    std::lock_guard lock(mutex_);
    draining_ = true;
  }
  frontend_.close("the server is shutting down");
  engine_->drain(deadline);
}

void EngineHost::stop() {
  if (engine_ == nullptr) return;
  {
    std::lock_guard lock(mutex_);
    draining_ = ending_ = true;
  }
  changed_.notify_all();
  watcher_.join();
  frontend_.detach(Clock::now() + kSendTime);
  engine_.reset();
}

void EngineHost::watch() {
  bool healthy = true;
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, check_period_, [this] { return ending_; })) {
    const absl::Status health = engine_->health();
    if (health.ok() == healthy) continue;
    healthy = health.ok();
    frontend_.set_live(healthy);
    if (!draining_) frontend_.set_ready(healthy);
    if (healthy) {
      spdlog::info("the engine is healthy again");
    } else {
      spdlog::error("the engine is not healthy: {}", health.ToString());
    }
  }
}

}  // namespace tessera
