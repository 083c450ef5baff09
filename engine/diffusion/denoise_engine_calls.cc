// What callers of a DenoiseEngine do, on any thread: everything here meets the engine's thread
// under the mutex alone.
#include <future>

#include "engine/diffusion/denoise_engine.h"
#include "engine/diffusion/recording.h"

namespace tessera {
namespace {

constexpr std::chrono::seconds kStallLimit{60};

}  // namespace

absl::Status DenoiseEngine::submit(DiffusionRequest request, std::shared_ptr<DiffusionSink> sink) {
  absl::StatusOr<std::unique_ptr<Job>> job = accept_job(parts_.rules, std::move(request));
  if (!job.ok()) return job.status();
  return enqueue(*std::move(job), std::move(sink));
}

absl::Status DenoiseEngine::enqueue(std::unique_ptr<Job> job, std::shared_ptr<DiffusionSink> sink) {
  job->sink = std::move(sink);
  job->submitted = Clock::now();
  if (job->request.deadline.has_value() &&
      std::chrono::duration<double>(*job->request.deadline - job->submitted).count() <
          predicted_seconds_left(*job)) {
    return absl::DeadlineExceededError("the deadline is nearer than the steps take alone");
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (draining_ || stopping_) return absl::UnavailableError("the server is draining");
    const RequestId& id = job->request.id;
    if (ids_.contains(id)) {
      return absl::AlreadyExistsError("request_id \"" + id + "\" is already in use");
    }
    if (static_cast<int64_t>(inbox_.size()) + load_.waiting >= parts_.settings.queue_requests_max) {
      return absl::ResourceExhaustedError(
          "the queue is full: " + std::to_string(parts_.settings.queue_requests_max) +
          " requests wait");
    }
    ids_.insert(id);
    ++live_;
    inbox_.push_back(std::move(job));
  }
  changed_.notify_all();
  return absl::OkStatus();
}

absl::Status DenoiseEngine::record(DiffusionRequest request, BranchRecord& into) {
  // Told on the engine thread, awaited on the caller's.
  class End final : public DiffusionSink {
   public:
    void post(DiffusionEvent event) override {
      if (const auto* failed = std::get_if<JobFailed>(&event)) end_.set_value(failed->status);
      if (std::holds_alternative<JobResult>(event)) end_.set_value(absl::OkStatus());
    }
    absl::Status wait() { return end_.get_future().get(); }

   private:
    std::promise<absl::Status> end_;
  };
  request.latents_only = true;
  absl::StatusOr<std::unique_ptr<Job>> job = accept_job(parts_.rules, std::move(request));
  if (!job.ok()) return job.status();
  absl::Status status = make_recording(parts_.rules, **job);
  if (!status.ok()) return status;
  const std::shared_ptr<BranchRecord> record = (*job)->record;
  const auto end = std::make_shared<End>();
  status = enqueue(*std::move(job), end);
  if (status.ok()) status = end->wait();
  if (status.ok()) into = std::move(*record);
  return status;
}

absl::Status DenoiseEngine::cancel(const RequestId& id) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!ids_.contains(id)) return absl::NotFoundError("no live request has id \"" + id + "\"");
    cancels_.insert(id);
  }
  changed_.notify_all();
  return absl::OkStatus();
}

void DenoiseEngine::drain(Clock::time_point deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  draining_ = true;
  if (idle_.wait_until(lock, deadline, [this] { return live_ == 0; })) return;
  cancel_all_ = true;
  changed_.notify_all();
  idle_.wait(lock, [this] { return live_ == 0; });
}

DiffusionLoad DenoiseEngine::load() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  DiffusionLoad load = load_;
  load.waiting += static_cast<int64_t>(inbox_.size());
  return load;
}

absl::Status DenoiseEngine::health() const {
  const auto silent = Clock::now() - heartbeat_.load();
  if (busy_ && silent > kStallLimit) {
    return absl::InternalError(
        "the engine has work but made no step for " +
        std::to_string(std::chrono::duration_cast<std::chrono::seconds>(silent).count()) + " s");
  }
  return absl::OkStatus();
}

}  // namespace tessera
