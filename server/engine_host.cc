#include "server/engine_host.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace tessera {

using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kSendTime{5};  // for events that wait for their clients at the end

Engines borrowed(const std::vector<AnyEngine>& engines) {
  Engines all;
  for (const AnyEngine& engine : engines) {
    if (const auto* text = std::get_if<std::unique_ptr<Engine>>(&engine)) {
      all.text = text->get();
    } else {
      all.diffusion.push_back(std::get<std::unique_ptr<DiffusionEngine>>(engine).get());
    }
  }
  return all;
}

}  // namespace

EngineHost::EngineHost(std::vector<Create> creates, Frontend& frontend,
                       Clock::duration check_period)
    : creates_(std::move(creates)), frontend_(frontend), check_period_(check_period) {}

EngineHost::~EngineHost() { stop(); }

absl::Status EngineHost::start() {
  for (const Create& create : creates_) {
    absl::StatusOr<AnyEngine> engine = create();
    if (!engine.ok()) {
      engines_.clear();
      return engine.status();
    }
    engines_.push_back(*std::move(engine));
  }
  frontend_.open(borrowed(engines_));
  watcher_ = std::thread([this] { watch(); });
  return absl::OkStatus();
}

void EngineHost::drain(Clock::time_point deadline) {
  if (engines_.empty()) return;
  {
    std::lock_guard lock(mutex_);
    draining_ = true;
  }
  frontend_.close("the server is shutting down");
  // One after the other, but all work on while the first is waited for.
  for (const AnyEngine& engine : engines_)
    std::visit([deadline](const auto& one) { one->drain(deadline); }, engine);
}

void EngineHost::stop() {
  if (engines_.empty()) return;
  {
    std::lock_guard lock(mutex_);
    draining_ = ending_ = true;
  }
  changed_.notify_all();
  watcher_.join();
  frontend_.detach(Clock::now() + kSendTime);
  engines_.clear();
}

absl::Status EngineHost::health() const {
  for (const AnyEngine& engine : engines_) {
    const absl::Status status = std::visit(
        [](const auto& one) {
          const absl::Status health = one->health();
          return health.ok() ? health
                             : absl::Status(health.code(), absl::StrCat(one->model().name, ": ",
                                                                        health.message()));
        },
        engine);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

void EngineHost::watch() {
  bool healthy = true;
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, check_period_, [this] { return ending_; })) {
    const absl::Status health = this->health();
    if (health.ok() == healthy) continue;
    healthy = health.ok();
    frontend_.set_live(healthy);
    if (!draining_) frontend_.set_ready(healthy);
    if (healthy) {
      spdlog::info("the engines are healthy again");
    } else {
      spdlog::error("an engine is not healthy: {}", health.ToString());
    }
  }
}

}  // namespace tessera
