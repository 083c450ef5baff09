// An engine loop around a real ledger and planner, a fake device and a simulated clock, with random
// clients. After every step every invariant is recounted and every decision checked.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "engine/schedule/fake_device.h"
#include "engine/schedule/ledger.h"
#include "engine/schedule/plan_step.h"

namespace tessera {

struct SimulationOptions {
  std::string name;
  LedgerShape shape;
  StepLimits limits;
  std::string order = "priority";
  int steps_in_flight = 1;
  int64_t prompt_max = 96, output_max = 48;
  double arrivals_per_step = 0.2;  // in busy phases; quiet phases let the queue drain
  double fork_share = 0;           // requests with n > 1
  double cancel_share = 0;         // requests cancelled at a random time
  double deadline_share = 0;
  double draft_share = 0;  // decode steps with drafts
  double best_effort_share = 0;
  double skip_share = 0;      // sequences whose last group ends with the prompt
  double transfer_share = 0;  // sequences that arrive prefilled, and pins of running ones
  double early_stop = 0.02;   // per token
  int64_t steps = 1000;
  uint64_t seed = 1;
  bool stateful = false;  // forks copy states
  bool crowded = false;   // the pool is small enough to preempt all the time
};

struct SimulationTotals {
  int64_t steps = 0, finished = 0, cancelled = 0, expired = 0, failed = 0, preemptions = 0;
  int64_t cached_tokens = 0, copies = 0, surplus_rows = 0, drafts = 0, accepted = 0, forks = 0;
  int64_t imports = 0, pins = 0, state_copies = 0;
  int64_t longest_wait_steps = 0;  // of a latency sequence without a row
  std::vector<std::string> wrong;  // everything that ought not to be
};

class SimulatedEngine {
 public:
  explicit SimulatedEngine(const SimulationOptions& options);
  // Runs options.steps steps, lets the rest drain, and checks that everything was given back.
  SimulationTotals run();

 private:
  struct Client {
    FakeSequence seq;
    std::vector<int32_t> received;
    int64_t output_max = 0, cancel_at = 0, last_progress = 0;
    int64_t unpin_at = 0;  // 0 = no transfer under way
    bool importing = false;
    bool best_effort = false;
  };

  bool chance(double share) { return std::uniform_real_distribution<>(0, 1)(random_) < share; }
  int64_t between(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }
  void arrive();
  std::vector<int32_t> make_prompt();
  void arrive_prefilled(SequenceSpec spec, Client client);
  void transfer();
  void import_kv(SequenceId id);
  void end_some();
  bool launch();
  FakeSegment segment_of(const ReservedRows& rows);
  void check_reuse(const FakeStep& step);
  void check_state_reuse(const FakeStep& step);
  void collect();
  void receive(const FakeSegment& segment, const GrantOutcome& outcome);
  void check_waits(const StepSnapshot& seen);
  void complain(std::string_view what);
  void note(const std::vector<std::string>& broken, const char* when);
  void remove(SequenceId id);

  SimulationOptions options_;
  std::mt19937_64 random_;
  std::unique_ptr<AdmissionOrder> order_;
  Ledger ledger_;
  FakeDevice device_;
  std::map<SequenceId, Client> clients_;
  std::deque<FakeStep> in_flight_;
  std::vector<std::vector<int32_t>> shared_prefixes_;
  SequenceId last_id_ = kNoSequence;
  int64_t tick_ = 0;
  bool draining_ = false;
  SimulationTotals totals_;
};

}  // namespace tessera
