// The loop of one diffusion model, see engine.h. One thread; the inbox, the cancels and the load
// are shared with callers under a mutex, everything else is the thread's.
//
// While a short step runs, the next one is planned and appended; a long step is waited for, since
// planning is nothing beside it and who arrives meanwhile is to have a place in the next.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "engine/diffusion/accept_job.h"
#include "engine/diffusion/choose.h"
#include "engine/diffusion/decode_worker.h"
#include "engine/diffusion/denoise_step.h"
#include "engine/diffusion/denoise_worker.h"
#include "engine/diffusion/encode_worker.h"
#include "engine/diffusion/engine.h"
#include "engine/diffusion/job_ledger.h"

namespace tessera {

struct DenoiseEngineParts {
  DiffusionModelSettings settings;
  DiffusionObserver* observer = nullptr;  // may be null
  DiffusionModelInfo info;
  std::string description;
  std::unique_ptr<DenoiseWorker> worker;
  std::unique_ptr<EncodeWorker> encoder;  // null: no job has ids
  std::unique_ptr<DecodeWorker> decoder;  // null: results are latents
  JobRules rules;
  JobPools pools;
  int64_t job_bytes = 0;
  ChooseLimits limits;
  std::unique_ptr<CostModel> cost;  // limits.cost points to it
  bool threaded = true;             // false: who owns the engine calls pass(), on one thread
};

class DenoiseEngine final : public DiffusionEngine {
 public:
  explicit DenoiseEngine(DenoiseEngineParts parts);
  ~DenoiseEngine() override;

  absl::Status submit(DiffusionRequest request, std::shared_ptr<DiffusionSink> sink) override;
  absl::Status cancel(const RequestId& id) override;
  absl::Status record(DiffusionRequest request, BranchRecord& into) override;
  void drain(std::chrono::steady_clock::time_point deadline) override;
  const DiffusionModelInfo& model() const override { return parts_.info; }
  DiffusionLoad load() const override;
  absl::Status health() const override;
  std::string describe() const override { return parts_.description; }

  // One turn of the loop; at most one step. REQUIRES: made without a thread.
  void pass();
  // Which invariants of engine/README.md do not hold. REQUIRES: made without a thread, or on it.
  std::vector<std::string> recount() const;

 private:
  using Jobs = std::list<std::unique_ptr<Job>>;

  // A step that has been launched and not retired.
  struct Flight {
    DenoiseStep step;
    Clock::time_point launched;
    double predicted_seconds = 0;
  };

  absl::Status enqueue(std::unique_ptr<Job> job, std::shared_ptr<DiffusionSink> sink);

  // All below: engine thread.
  void run();
  bool wait_for_work();
  void drain_inbox();
  void line_up(Jobs& from, Jobs::iterator job);  // at the end of the queue of its priority
  void take_cancels();
  void expire_deadlines();
  void admit_waiting();
  void start_encoded();  // jobs whose prompts have been encoded
  void step();
  std::vector<JobView> views(Clock::time_point now) const;
  std::unique_ptr<Flight> choose_step();
  size_t flights_within(double seconds) const;
  void retire_to(size_t left);  // the oldest steps, until so many are in flight
  void finish_step(Job& job, int step);
  void show(Job& job);      // starts the decoding of a preview
  void complete(Job& job);  // its part: the next one lines up, or the samples are decoded
  void take_decoded();
  void finish(Job& job);
  void fail(Job& job, const absl::Status& status);
  void end(Job& job, DiffusionEvent last, const std::string& outcome);
  void publish_load();
  double predicted_seconds_left(const Job& job) const;

  DenoiseEngineParts parts_;
  JobLedger ledger_;
  Jobs waiting_, encoding_, running_, decoding_;
  std::deque<std::unique_ptr<Flight>> flights_;  // their jobs run
  Clock::time_point retired_;                    // when the last one that has been was
  int64_t next_key_ = 1;

  mutable std::mutex mutex_;
  std::condition_variable changed_, idle_;
  Jobs inbox_;
  std::set<RequestId> cancels_, ids_;
  int64_t live_ = 0;  // requests whose last event has not been posted
  DiffusionLoad load_;
  bool draining_ = false, stopping_ = false, cancel_all_ = false;

  std::atomic<bool> busy_{false};
  std::atomic<Clock::time_point> heartbeat_{Clock::time_point()};
  // Measured over predicted seconds of steps, smoothed: the machine may be busier than it was when
  // the cost model was fitted, or less.
  std::atomic<double> pace_{1};
  std::thread thread_;
};

}  // namespace tessera
