// Engines without a model: accept what they are told to accept, and say what a test tells them to
// say, from a thread of their own as the real ones do. They keep what they were asked.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/diffusion/engine.h"
#include "engine/run/engine.h"

namespace tessera {

struct FakeText {
  using Engine = tessera::Engine;
  using Request = TextRequest;
  using Event = tessera::Event;
  using Sink = EventSink;
  using Info = ModelInfo;
  using Load = EngineLoad;
  static Event cancelled() { return Failed{absl::CancelledError("cancelled"), Usage{}}; }
  static bool is_last(const Event& event) {
    return std::holds_alternative<Completed>(event) || std::holds_alternative<Failed>(event);
  }
};

// Calibration needs a network.
struct UnrecordedEngine : DiffusionEngine {
  absl::Status record(DiffusionRequest, BranchRecord&) override {
    return absl::UnimplementedError("a fake");
  }
};

struct FakeDiffusion {
  using Engine = UnrecordedEngine;
  using Request = DiffusionRequest;
  using Event = DiffusionEvent;
  using Sink = DiffusionSink;
  using Info = DiffusionModelInfo;
  using Load = DiffusionLoad;
  static Event cancelled() { return JobFailed{absl::CancelledError("cancelled")}; }
  static bool is_last(const Event& event) {
    return std::holds_alternative<JobResult>(event) || std::holds_alternative<JobFailed>(event);
  }
};

template <class Kind>
class FakeEngineOf final : public Kind::Engine {
 public:
  using Request = typename Kind::Request;
  using Event = typename Kind::Event;
  using Sink = typename Kind::Sink;

  // Set before the first request. `check` may refuse; `answer` runs on the engine thread once a
  // request is accepted and may post events; without it the test posts them itself.
  std::function<absl::Status(const Request&)> check;
  std::function<void(FakeEngineOf&, const Request&)> answer;

  FakeEngineOf() {
    thread_ = std::thread([this] { run(); });
  }
  ~FakeEngineOf() override {
    {
      std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  absl::Status submit(Request request, std::shared_ptr<Sink> sink) override {
    if (check) {
      if (absl::Status status = check(request); !status.ok()) return status;
    }
    std::lock_guard lock(mutex_);
    if (draining_) return absl::UnavailableError("draining");
    if (!sinks_.emplace(request.id, std::move(sink)).second)
      return absl::AlreadyExistsError("request_id " + request.id + " is in use");
    requests_.push_back(request);
    if (answer) work_.push_back([this, request] { answer(*this, request); });
    changed_.notify_all();
    return absl::OkStatus();
  }

  absl::Status cancel(const RequestId& id) override {
    std::lock_guard lock(mutex_);
    if (!sinks_.count(id)) return absl::NotFoundError("no request " + id);
    cancelled_.push_back(id);
    changed_.notify_all();
    work_.push_back([this, id] { post(id, Kind::cancelled()); });
    return absl::OkStatus();
  }

  void drain(std::chrono::steady_clock::time_point deadline) override {
    std::vector<RequestId> left;
    {
      std::unique_lock lock(mutex_);
      draining_ = true;
      changed_.wait_until(lock, deadline, [this] { return sinks_.empty(); });
      for (const auto& [id, sink] : sinks_) left.push_back(id);
    }
    for (const RequestId& id : left) cancel(id).IgnoreError();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return sinks_.empty(); });
  }

  const typename Kind::Info& model() const override { return model_; }
  typename Kind::Load load() const override { return {}; }
  absl::Status health() const override {
    std::lock_guard lock(mutex_);
    return health_;
  }
  std::string describe() const override { return "a fake"; }

  // Hands an event to the request's sink; the last one forgets the request. Engine thread, or a
  // test that leaves the engine thread alone. False when no such request is live.
  bool post(const RequestId& id, Event event) {
    std::shared_ptr<Sink> sink;
    {
      std::lock_guard lock(mutex_);
      const auto found = sinks_.find(id);
      if (found == sinks_.end()) return false;
      sink = found->second;
      if (Kind::is_last(event)) sinks_.erase(found);
      changed_.notify_all();
    }
    sink->post(std::move(event));
    return true;
  }

  bool wait_for_request(const RequestId& id) {
    return wait([&] { return sinks_.count(id) > 0; });
  }
  bool wait_for_cancel(const RequestId& id) {
    return wait([&] {
      for (const RequestId& cancelled : cancelled_)
        if (cancelled == id) return true;
      return false;
    });
  }
  bool wait_until_idle() {
    return wait([&] { return sinks_.empty() && work_.empty(); });
  }
  std::vector<Request> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }
  std::vector<RequestId> cancelled() const {
    std::lock_guard lock(mutex_);
    return cancelled_;
  }
  void set_health(absl::Status status) {
    std::lock_guard lock(mutex_);
    health_ = std::move(status);
  }
  void set_model(typename Kind::Info model) { model_ = std::move(model); }

 private:
  // Generous, so that only a hang fails.
  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(60), condition);
  }

  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return ending_ || !work_.empty(); });
      if (work_.empty()) return;
      const std::function<void()> work = std::move(work_.front());
      work_.pop_front();
      lock.unlock();
      work();
      lock.lock();
      changed_.notify_all();
    }
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<RequestId, std::shared_ptr<Sink>> sinks_;
  std::deque<std::function<void()>> work_;
  std::vector<Request> requests_;
  std::vector<RequestId> cancelled_;
  absl::Status health_;
  typename Kind::Info model_ = [] {
    typename Kind::Info info;
    info.name = "fake";
    return info;
  }();
  bool draining_ = false, ending_ = false;
  std::thread thread_;
};

using FakeEngine = FakeEngineOf<FakeText>;
using FakeDiffusionEngine = FakeEngineOf<FakeDiffusion>;

}  // namespace tessera
