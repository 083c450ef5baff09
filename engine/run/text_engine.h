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
#include "engine/schedule/cost_history.h"
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
  std::vector<int> group_of_layer;  // [L] attention group, -1 = recurrent
  LedgerShape ledger;
  StepLimits limits;
  std::unique_ptr<CostModel> cost;       // limits.cost points to it
  std::vector<StepSample> cost_samples;  // what it was fitted to
  std::unique_ptr<AdmissionOrder> order;
  int device_slots = 0;  // rows of the device's history
};

// A prefilled sequence on its way from one engine to another.
struct HandOff {
  std::unique_ptr<LiveRequest> live;
  SequenceSpec spec;
  std::vector<int32_t> emitted;  // the root last; its KV is not among the exported
  // [ranks][layers] canonical bytes of the layer's live pages, in position order, or of its state
  std::vector<std::vector<std::vector<std::byte>>> kv;
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

  // The two halves of submit, for who must look at the request in between. Any thread.
  absl::StatusOr<std::unique_ptr<LiveRequest>> accept(TextRequest request) const;
  absl::Status enqueue(std::unique_ptr<LiveRequest> live, std::shared_ptr<EventSink> sink);

  // Requests of one output leave for `receiver`, which outlives this, once their prompt is
  // computed.
  void hand_off_to(TextEngine& receiver);
  bool holds(const RequestId& id) const;

 private:
  // A launched step whose result has not been collected.
  struct Flight {
    StepId step = 0;
    StepShape shape;
    std::vector<Grant> grants;
    std::vector<GrantSamples> samples;  // per grant
    StepReport report;
  };

  // Everything below runs on the engine thread.
  void run();
  bool wait_for_work();
  void drain_inbox();
  void set_times(const LiveRequest& live, SequenceSpec& spec) const;
  void admit(std::unique_ptr<LiveRequest> live);
  uint64_t groups_kept(const std::vector<int>& layers_without) const;
  void expire_deadlines();
  void propose_drafts();
  bool launch_step();
  std::vector<std::byte> build_step(const Reservation& reservation, Flight& flight);
  GrantedRows granted_rows(const ReservedRows& rows, const Output& output);
  int32_t device_slot(SequenceId sequence);
  void note_scheduled(const ReservedRows& rows, Output& output);
  void collect_step();
  std::vector<SampledToken> sampled_tokens(const Grant& grant, const GrantSamples& samples,
                                           const StepResult& result, const Output& output,
                                           StepReport& report) const;
  GrantOutcome commit_grant(const Grant& grant, const GrantSamples& samples,
                            const StepResult& result, StepReport& report);
  void fail(LiveRequest& live, absl::Status status);
  void end_if_finished(LiveRequest& live);
  void forget(const std::vector<SequenceId>& released);
  void leave_queue(LiveRequest& live);
  bool ready_to_leave(const Grant& grant, const Output& output) const;
  void send(Output& output);
  void receive(HandOff parcel);
  void unpack_parcels();
  bool unpack(HandOff& parcel);
  std::vector<std::byte> export_layer(RankWorker& worker, int layer, const Sequence& seq) const;
  void import_layer(RankWorker& worker, int layer, const Sequence& seq,
                    std::span<const std::byte> bytes) const;
  void adopt(std::unique_ptr<LiveRequest> live, absl::Status status);
  void publish_load();
  double now_seconds() const;

  TextEngineParts parts_;
  Ledger ledger_;
  std::unordered_map<SequenceId, Output*> by_sequence_;
  std::unordered_map<SequenceId, int32_t> slots_;  // rows of the device's history
  std::vector<int32_t> free_slots_;
  std::unordered_map<RequestId, std::unique_ptr<LiveRequest>> live_;
  std::vector<std::unique_ptr<LiveRequest>> ended_;  // their sequences are still in flight
  std::deque<Flight> flights_;
  CostHistory costs_;
  std::deque<HandOff> parcels_;  // arrived, waiting for room
  SequenceId next_sequence_ = 1;
  const Clock::time_point started_ = Clock::now();

  // Shared with callers, under mutex_.
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<std::unique_ptr<LiveRequest>> inbox_;
  std::deque<HandOff> arrivals_;
  std::vector<RequestId> cancels_;
  std::unordered_set<RequestId> ids_;  // of all requests not yet ended
  int64_t open_requests_ = 0;          // accepted, last event not yet posted
  QueueLoad queued_;                   // accepted, no row granted yet
  EngineLoad load_;
  TextEngine* receiver_ = nullptr;  // set before the first request
  bool draining_ = false;
  bool cancel_all_ = false;
  bool stopping_ = false;

  std::atomic<int64_t> heartbeat_ns_{0};  // of the last step or idle moment
  std::atomic<bool> busy_{false};
  std::thread thread_;
};

}  // namespace tessera
