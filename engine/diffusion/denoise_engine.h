// The loop of one diffusion model, see engine.h. One thread; the inbox, the cancels and the load
// are shared with callers under a mutex, everything else is the thread's.
#pragma once

#include <atomic>
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "engine/diffusion/accept_job.h"
#include "engine/diffusion/choose.h"
#include "engine/diffusion/decode_worker.h"
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

  absl::Status enqueue(std::unique_ptr<Job> job, std::shared_ptr<DiffusionSink> sink);

  // All below: engine thread.
  void run();
  bool wait_for_work();
  void drain_inbox();
  void take_cancels();
  void expire_deadlines();
  void admit_waiting();
  void start_encoded();  // jobs whose prompts have been encoded
  void step();
  void finish_step(Job& job);
  void show(Job& job);  // starts the decoding of a preview
  void complete(Job& job);
  void take_decoded();
  void finish(Job& job);
  void fail(Job& job, const absl::Status& status);
  void end(Job& job, DiffusionEvent last, const std::string& outcome);
  void publish_load();
  double predicted_seconds_left(const Job& job) const;

  DenoiseEngineParts parts_;
  JobLedger ledger_;
  Jobs waiting_, encoding_, running_, decoding_;
  int64_t next_key_ = 1;

  mutable std::mutex mutex_;
  std::condition_variable changed_, idle_;
  Jobs inbox_;
  std::set<RequestId> cancels_, ids_;
  int64_t live_ = 0;  // requests whose last event has not been posted
  DiffusionLoad load_;
  bool draining_ = false, stopping_ = false, cancel_all_ = false;

  std::atomic<bool> busy_{false};
  std::atomic<int64_t> heartbeat_ns_{0};
  std::thread thread_;
};

}  // namespace tessera
