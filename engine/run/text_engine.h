// The engine of one text model: the loop of engine/README.md over a Ledger and rank workers. Public
// methods may be called from any thread; everything marked "engine thread" runs on the loop's.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "engine/run/accept.h"
#include "engine/run/emit.h"
#include "engine/run/engine.h"
#include "engine/run/plan_builder.h"
#include "engine/run/rank_worker.h"
#include "engine/schedule/ledger.h"
#include "engine/schedule/plan_step.h"
#include "kernels/core/meeting.h"

namespace tessera {

// Everything the loop works with, put together by Engine::create.
struct TextEngineParts {
  EngineConfig config;
  EngineObserver* observer = nullptr;  // may be null
  ServedModel model;
  ModelInfo info;
  std::string description;
  std::unique_ptr<Meeting> meeting;
  std::vector<std::unique_ptr<RankWorker>> workers;
  std::vector<AttentionGroup> groups;
  StepLimits limits;
  std::unique_ptr<AdmissionOrder> order;
};

class TextEngine final : public Engine {
 public:
  explicit TextEngine(TextEngineParts parts);
  ~TextEngine() override;

  absl::Status submit(TextRequest request, std::shared_ptr<EventSink> sink) override;
  absl::Status cancel(const RequestId& id) override;
  void drain(std::chrono::steady_clock::time_point deadline) override;
  const ModelInfo& model() const override { return parts_.info; }
  EngineLoad load() const override;
  absl::Status health() const override;
  std::string describe() const override { return parts_.description; }

 private:
  // A launched step whose result has not been collected.
  struct Flight {
    StepDecision decision;
    std::vector<GrantSamples> samples;  // per grant
    double plan_seconds = 0;
    StepReport report;
  };

  // Engine thread.
  void run();
  void wait_for_work();
  void drain_inbox();
  void admit(std::unique_ptr<LiveRequest> live);
  void expire_deadlines();
  void propose_drafts();
  bool launch_step();
  void collect_step();
  void commit_grant(const Grant& grant, const GrantSamples& samples, const StepResult& result,
                    StepOutcome& outcome, StepReport& report);
  void fail(LiveRequest& live, absl::Status status);
  void fail_oldest_if_stuck();
  void retire(LiveRequest& live);
  void sweep_finished();
  void publish_load();

  TextEngineParts parts_;
  Ledger ledger_;
  std::unordered_map<SequenceId, Output*> by_sequence_;
  std::unordered_map<RequestId, std::unique_ptr<LiveRequest>> live_;
  std::deque<Flight> flights_;
  StepId next_step_ = 1;
  SequenceId next_sequence_ = 1;
  Clock::time_point started_ = Clock::now();

  // Shared with callers.
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<LiveRequest>> inbox_;
  std::vector<RequestId> cancels_;
  std::unordered_set<RequestId> ids_;   // of all requests not yet ended
  EngineLoad load_;
  int64_t queued_tokens_ = 0;           // of requests not yet scheduled
  absl::Status failure_;
  bool draining_ = false;
  bool cancel_all_ = false;
  bool stopping_ = false;
  std::atomic<int64_t> heartbeat_ns_{0};
  std::atomic<bool> busy_{false};
  std::thread thread_;
};

}  // namespace tessera
