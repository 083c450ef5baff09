#include "engine/run/text_engine.h"

#include <algorithm>

namespace tessera {
namespace {

constexpr std::chrono::milliseconds kIdlePoll{100};  // deadlines of waiting requests, heartbeat
constexpr std::chrono::seconds kStallLimit{30};

int64_t nanoseconds_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch())
      .count();
}

}  // namespace

TextEngine::TextEngine(TextEngineParts parts)
    : parts_(std::move(parts)), ledger_(parts_.ledger), costs_(std::move(parts_.cost_samples)) {
  for (int32_t slot = parts_.device_slots - 1; slot >= 0; --slot) free_slots_.push_back(slot);
  heartbeat_ns_ = nanoseconds_now();
  publish_load();
  thread_ = std::thread([this] { run(); });
}

TextEngine::~TextEngine() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    cancel_all_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

absl::Status TextEngine::submit(TextRequest request, std::shared_ptr<EventSink> sink) {
  absl::StatusOr<std::unique_ptr<LiveRequest>> live = accept(std::move(request));
  if (!live.ok()) return live.status();
  return enqueue(*std::move(live), std::move(sink));
}

absl::StatusOr<std::unique_ptr<LiveRequest>> TextEngine::accept(TextRequest request) const {
  return accept_request(parts_.model, std::move(request));
}

absl::Status TextEngine::enqueue(std::unique_ptr<LiveRequest> live,
                                 std::shared_ptr<EventSink> sink) {
  live->sink = std::move(sink);
  const RequestId id = live->request.id;
  const int64_t prompt_tokens = live->usage.prompt_tokens;
  const int64_t outputs = live->sampling.outputs;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (draining_ || stopping_) return absl::UnavailableError("the server is draining");
    if (ids_.contains(id)) {
      return absl::AlreadyExistsError("request_id \"" + id + "\" is already in use");
    }
    const QueueLimits limits{parts_.config.schedule.queue_requests_max,
                             parts_.config.schedule.queue_tokens_max};
    const absl::Status room = check_queue(queued_, limits, outputs, prompt_tokens);
    if (!room.ok()) return room;
    ids_.insert(id);
    ++open_requests_;
    queued_.waiting += outputs;
    queued_.waiting_prompt_tokens += prompt_tokens;
    inbox_.push_back(std::move(live));
  }
  changed_.notify_all();
  return absl::OkStatus();
}

absl::Status TextEngine::cancel(const RequestId& id) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!ids_.contains(id)) {
      return absl::NotFoundError("no live request has request_id \"" + id + "\"");
    }
    cancels_.push_back(id);
  }
  changed_.notify_all();
  return absl::OkStatus();
}

void TextEngine::drain(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  draining_ = true;
  if (changed_.wait_until(lock, deadline, [&] { return open_requests_ == 0; })) return;
  cancel_all_ = true;
  changed_.notify_all();
  changed_.wait_for(lock, kStallLimit, [&] { return open_requests_ == 0; });
}

EngineLoad TextEngine::load() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return load_;
}

absl::Status TextEngine::health() const {
  const int64_t silent_ns = nanoseconds_now() - heartbeat_ns_;
  if (busy_ && silent_ns > std::chrono::nanoseconds(kStallLimit).count()) {
    return absl::InternalError("the engine has work but made no step for " +
                               std::to_string(silent_ns / 1000000000) + " s");
  }
  return absl::OkStatus();
}

double TextEngine::now_seconds() const {
  return std::chrono::duration<double>(Clock::now() - started_).count();
}

void TextEngine::run() {
  while (wait_for_work()) {
    drain_inbox();
    unpack_parcels();
    expire_deadlines();
    propose_drafts();
    const bool room = static_cast<int>(flights_.size()) < parts_.config.schedule.steps_in_flight;
    const bool launched = room && launch_step();
    if (!flights_.empty() && (!launched || static_cast<int>(flights_.size()) ==
                                               parts_.config.schedule.steps_in_flight)) {
      collect_step();
    }
    publish_load();
  }
}

// False when the engine is to end and nothing is left.
bool TextEngine::wait_for_work() {
  heartbeat_ns_ = nanoseconds_now();
  std::unique_lock<std::mutex> lock(mutex_);
  const auto idle = [&] {
    return inbox_.empty() && cancels_.empty() && arrivals_.empty() && parcels_.empty() &&
           ledger_.idle() && flights_.empty();
  };
  busy_ = !idle();
  while (idle()) {
    if (stopping_) return false;
    changed_.wait_for(lock, kIdlePoll);
    heartbeat_ns_ = nanoseconds_now();
  }
  busy_ = true;
  return true;
}

void TextEngine::drain_inbox() {
  std::deque<std::unique_ptr<LiveRequest>> arrived;
  std::vector<RequestId> cancels;
  bool cancel_all = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    arrived.swap(inbox_);
    for (HandOff& parcel : arrivals_) parcels_.push_back(std::move(parcel));
    arrivals_.clear();
    cancels.swap(cancels_);
    cancel_all = cancel_all_;
  }
  for (std::unique_ptr<LiveRequest>& live : arrived) admit(std::move(live));
  for (const RequestId& id : cancels) {
    std::erase_if(parcels_, [&](HandOff& parcel) {
      if (parcel.live->request.id != id) return false;
      adopt(std::move(parcel.live), absl::CancelledError("cancelled"));
      return true;
    });
    const auto found = live_.find(id);
    if (found != live_.end()) fail(*found->second, absl::CancelledError("cancelled"));
  }
  for (; cancel_all && !parcels_.empty(); parcels_.pop_front()) {
    adopt(std::move(parcels_.front().live), absl::CancelledError("the server is stopping"));
  }
  while (cancel_all && !live_.empty()) {
    fail(*live_.begin()->second, absl::CancelledError("the server is stopping"));
  }
}

// On this engine's clock.
void TextEngine::set_times(const LiveRequest& live, SequenceSpec& spec) const {
  spec.arrival_seconds = std::chrono::duration<double>(live.submitted - started_).count();
  spec.deadline_seconds = kNoDeadline;
  if (live.request.deadline.has_value()) {
    spec.deadline_seconds =
        std::chrono::duration<double>(*live.request.deadline - started_).count();
  }
}

void TextEngine::admit(std::unique_ptr<LiveRequest> live) {
  const TextRequest& request = live->request;
  SequenceId parent = kNoSequence;
  for (const std::unique_ptr<Output>& output : live->outputs) {
    SequenceSpec spec;
    spec.id = output->sequence = next_sequence_++;
    spec.prompt = live->prompt;
    spec.max_tokens_total = live->usage.prompt_tokens + live->max_tokens;
    spec.priority = request.priority;
    spec.best_effort = request.best_effort;
    set_times(*live, spec);
    spec.cache_namespace = request.cache_salt;
    // Prompt log-probabilities need the logits of every prompt row, so nothing may be skipped.
    spec.prefix_caching = !request.bypass_prefix_cache && live->sampling.prompt_logprobs < 0;
    if (live->policy != nullptr) {
      const std::string kv = live->policy->kv_namespace();
      if (!kv.empty()) {
        spec.cache_namespace += "\n" + kv;
        spec.publish_outputs = false;
      }
      spec.groups_after_prompt = groups_kept(live->policy->layers_without_generated_kv());
    }
    spec.fork_of = parent;
    if (parent == kNoSequence) parent = spec.id;
    by_sequence_[spec.id] = output.get();
    ++live->sequences_held;
    ledger_.admit(std::move(spec));
  }
  live_.emplace(request.id, std::move(live));
}

// A group's pages go after the prompt only when none of its layers needs them.
uint64_t TextEngine::groups_kept(const std::vector<int>& layers_without) const {
  uint64_t kept = 0;
  for (size_t layer = 0; layer < parts_.group_of_layer.size(); ++layer) {
    if (parts_.group_of_layer[layer] < 0) continue;
    const bool without = std::find(layers_without.begin(), layers_without.end(),
                                   static_cast<int>(layer)) != layers_without.end();
    if (!without) kept |= uint64_t{1} << parts_.group_of_layer[layer];
  }
  return kept;
}

void TextEngine::expire_deadlines() {
  for (SequenceId sequence : ledger_.expired(now_seconds())) {
    const auto found = by_sequence_.find(sequence);
    if (found == by_sequence_.end()) continue;
    LiveRequest& live = *found->second->request;
    if (live_.contains(live.request.id) && live_[live.request.id].get() == &live) {
      fail(live, absl::DeadlineExceededError("the request's deadline passed"));
    }
  }
}

void TextEngine::fail(LiveRequest& live, absl::Status status) {
  live.failure = std::move(status);
  std::vector<SequenceId> released;
  for (const std::unique_ptr<Output>& output : live.outputs) {
    if (output->finished.has_value()) continue;
    if (absl::IsCancelled(live.failure)) finish_output(*output, FinishReason::kCancelled);
    output->finished = FinishReason::kCancelled;
    if (ledger_.contains(output->sequence) && ledger_.cancel(output->sequence)) {
      released.push_back(output->sequence);
    }
  }
  end_if_finished(live);
  forget(released);
}

// Posts the last event once every output has finished, and lets the id go.
void TextEngine::end_if_finished(LiveRequest& live) {
  for (const std::unique_ptr<Output>& output : live.outputs) {
    if (!output->finished.has_value()) return;
  }
  leave_queue(live);
  const auto found = live_.find(live.request.id);
  ended_.push_back(std::move(found->second));
  live_.erase(found);
  {
    // Before the last event: who has seen it may use the id again.
    const std::lock_guard<std::mutex> lock(mutex_);
    ids_.erase(live.request.id);
  }
  const RequestReport report = end_request(live);
  if (parts_.observer != nullptr) parts_.observer->on_request_end(report);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    --open_requests_;
  }
  changed_.notify_all();
}

void TextEngine::forget(const std::vector<SequenceId>& released) {
  for (SequenceId sequence : released) {
    const auto found = by_sequence_.find(sequence);
    --found->second->request->sequences_held;
    by_sequence_.erase(found);
    const auto slot = slots_.find(sequence);
    if (slot == slots_.end()) continue;
    free_slots_.push_back(slot->second);
    slots_.erase(slot);
  }
  std::erase_if(ended_, [](const auto& live) { return live->sequences_held == 0; });
}

void TextEngine::leave_queue(LiveRequest& live) {
  if (!live.queued) return;
  live.queued = false;
  const std::lock_guard<std::mutex> lock(mutex_);
  queued_.waiting -= live.sampling.outputs;
  queued_.waiting_prompt_tokens -= live.usage.prompt_tokens;
}

void TextEngine::publish_load() {
  const QueueLoad queue = ledger_.load();
  EngineLoad load;
  load.running = queue.running;
  load.waiting = queue.waiting;
  load.waiting_prompt_tokens = queue.waiting_prompt_tokens;
  for (int group = 0; group < ledger_.cache().groups(); ++group) {
    load.blocks_used += ledger_.cache().pool(group).held();
    load.blocks_total += ledger_.cache().pool(group).total();
  }
  load.state_slots_total = ledger_.slots().total();
  load.state_slots_used = load.state_slots_total - ledger_.slots().free();
  const std::lock_guard<std::mutex> lock(mutex_);
  load_ = load;
}

}  // namespace tessera
