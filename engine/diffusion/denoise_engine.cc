#include "engine/diffusion/denoise_engine.h"

#include <algorithm>
#include <future>

#include "engine/diffusion/denoise_step.h"
#include "engine/diffusion/job_result.h"
#include "engine/diffusion/job_start.h"
#include "engine/diffusion/recording.h"
#include "engine/diffusion/recount.h"
#include "engine/diffusion/step_work.h"
#include "kernels/core/check.h"

namespace tessera {
namespace {

constexpr std::chrono::seconds kStallLimit{60};
constexpr std::chrono::microseconds kStreamPoll{500};

int64_t nanoseconds_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch())
      .count();
}

double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

}  // namespace

DenoiseEngine::DenoiseEngine(DenoiseEngineParts parts)
    : parts_(std::move(parts)), ledger_(parts_.pools) {
  heartbeat_ns_ = nanoseconds_now();
  publish_load();
  if (parts_.threaded) thread_ = std::thread([this] { run(); });
}

DenoiseEngine::~DenoiseEngine() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = cancel_all_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

absl::Status DenoiseEngine::submit(DiffusionRequest request, std::shared_ptr<DiffusionSink> sink) {
  absl::StatusOr<std::unique_ptr<Job>> job = accept_job(parts_.rules, std::move(request));
  if (!job.ok()) return job.status();
  return enqueue(*std::move(job), std::move(sink));
}

absl::Status DenoiseEngine::enqueue(std::unique_ptr<Job> job, std::shared_ptr<DiffusionSink> sink) {
  job->sink = std::move(sink);
  job->submitted = Clock::now();
  if (job->request.deadline.has_value() &&
      seconds_between(job->submitted, *job->request.deadline) < predicted_seconds_left(*job)) {
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
  const int64_t silent_ns = nanoseconds_now() - heartbeat_ns_;
  if (busy_ && silent_ns > std::chrono::nanoseconds(kStallLimit).count()) {
    return absl::InternalError("the engine has work but made no step for " +
                               std::to_string(silent_ns / 1000000000) + " s");
  }
  return absl::OkStatus();
}

void DenoiseEngine::run() {
  while (wait_for_work()) pass();
}

void DenoiseEngine::pass() {
  drain_inbox();
  take_cancels();
  expire_deadlines();
  admit_waiting();
  start_encoded();
  take_decoded();
  step();
  publish_load();
#ifdef TESSERA_DEBUG
  for (const std::string& violation : recount()) {
    internal::check_failed(__FILE__, __LINE__, "engine", " " + violation);
  }
#endif
}

std::vector<std::string> DenoiseEngine::recount() const {
  std::vector<const Job*> admitted, others;
  for (const Jobs* jobs : {&encoding_, &running_}) {
    for (const std::unique_ptr<Job>& job : *jobs) admitted.push_back(job.get());
  }
  for (const Jobs* jobs : {&waiting_, &decoding_}) {
    for (const std::unique_ptr<Job>& job : *jobs) others.push_back(job.get());
  }
  std::vector<std::string> broken = tessera::recount(ledger_, admitted, others);
  const std::lock_guard<std::mutex> lock(mutex_);
  std::set<RequestId> ids;
  for (const std::unique_ptr<Job>& job : inbox_) ids.insert(job->request.id);
  for (const auto* jobs : {&admitted, &others}) {
    for (const Job* job : *jobs) ids.insert(job->request.id);
  }
  if (ids != ids_) broken.push_back("live ids and jobs differ");
  if (static_cast<size_t>(live_) != ids_.size()) broken.push_back("live jobs are miscounted");
  return broken;
}

// False when the engine is to end and nothing is left.
bool DenoiseEngine::wait_for_work() {
  heartbeat_ns_ = nanoseconds_now();
  std::unique_lock<std::mutex> lock(mutex_);
  const auto idle = [&] {
    return inbox_.empty() && cancels_.empty() && waiting_.empty() && encoding_.empty() &&
           running_.empty() && decoding_.empty();
  };
  busy_ = !idle();
  while (idle()) {
    if (stopping_) return false;
    changed_.wait(lock);
    heartbeat_ns_ = nanoseconds_now();
  }
  busy_ = true;
  return true;
}

void DenoiseEngine::drain_inbox() {
  Jobs arrived;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    arrived.swap(inbox_);
  }
  for (std::unique_ptr<Job>& job : arrived) {
    job->key = next_key_++;
    // Better priorities first, else in order of arrival.
    const auto place =
        std::find_if(waiting_.begin(), waiting_.end(), [&job](const std::unique_ptr<Job>& other) {
          return other->request.priority < job->request.priority;
        });
    waiting_.insert(place, std::move(job));
  }
}

void DenoiseEngine::take_cancels() {
  std::set<RequestId> cancels;
  bool all = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    cancels.swap(cancels_);
    all = cancel_all_;
  }
  for (Jobs* jobs : {&waiting_, &encoding_, &running_, &decoding_}) {
    for (auto job = jobs->begin(); job != jobs->end();) {
      const std::unique_ptr<Job>& at = *job++;
      if (all || cancels.contains(at->request.id)) {
        fail(*at, absl::CancelledError("the request was cancelled"));
      }
    }
  }
}

void DenoiseEngine::expire_deadlines() {
  const Clock::time_point now = Clock::now();
  for (Jobs* jobs : {&waiting_, &encoding_, &running_, &decoding_}) {
    for (auto job = jobs->begin(); job != jobs->end();) {
      const std::unique_ptr<Job>& at = *job++;
      if (at->request.deadline.has_value() && *at->request.deadline <= now) {
        fail(*at,
             absl::DeadlineExceededError("the deadline passed after " + std::to_string(at->step) +
                                         " of " + std::to_string(at->steps()) + " steps"));
      }
    }
  }
}

// In order; nobody overtakes a job that waits for memory, so a large one is not starved.
void DenoiseEngine::admit_waiting() {
  while (!waiting_.empty() && ledger_.admit(*waiting_.front())) {
    Job& job = *waiting_.front();
    job.admitted = Clock::now();
    job.timings.queue_seconds = seconds_between(job.submitted, job.admitted);
    encoding_.splice(encoding_.end(), waiting_, waiting_.begin());
  }
  int64_t position = 0;
  for (const std::unique_ptr<Job>& job : waiting_) {
    if (job->told_position != position) job->sink->post(JobQueued{position});
    job->told_position = position++;
  }
}

void DenoiseEngine::start_encoded() {
  double level = 0;
  for (const std::unique_ptr<Job>& job : running_) {
    level = level == 0 ? job->given_seconds : std::min(level, job->given_seconds);
  }
  for (auto next = encoding_.begin(); next != encoding_.end();) {
    const auto at = next++;
    Job& job = **at;
    bool encoded = true;
    for (JobBranch& branch : job.branches) {
      const FloatArray* const rows =
          branch.encoded() ? &branch.prompt : parts_.encoder->find(branch.ids);
      encoded = encoded && rows != nullptr;
      if (rows != nullptr && rows != &branch.prompt) branch.prompt = *rows;
    }
    if (!encoded) continue;
    job.given_seconds = level;
    job.timings.condition_seconds = seconds_between(job.admitted, Clock::now());
    running_.splice(running_.end(), encoding_, at);
    const absl::Status status = start_job(*parts_.worker, parts_.rules.facts, job);
    if (!status.ok()) fail(job, status);
  }
}

void DenoiseEngine::step() {
  if (running_.empty()) {
    // Other streams have no way to wake this thread; a prompt or a picture takes far longer.
    if (!decoding_.empty() || !encoding_.empty()) std::this_thread::sleep_for(kStreamPoll);
    return;
  }
  std::vector<JobView> views;
  std::vector<Job*> jobs;
  const Clock::time_point now = Clock::now();
  for (const std::unique_ptr<Job>& job : running_) {
    JobView view;
    view.key = job->key;
    view.priority = job->request.priority;
    view.slack_seconds =
        job->request.deadline.has_value()
            ? seconds_between(now, *job->request.deadline) - predicted_seconds_left(*job)
            : 1e18;
    view.given_seconds = job->given_seconds;
    view.rows = job->rows();
    view.segments = job->segments();
    view.next_step = step_shape(*job);
    views.push_back(view);
    jobs.push_back(job.get());
  }
  DenoiseStep step(*parts_.worker, parts_.rules);
  StepShape shape;
  for (const size_t index : choose_jobs(views, parts_.limits)) {
    const StepShape& alone = views[index].next_step;
    shape.rows += alone.rows;
    shape.contexts += alone.contexts;
    shape.pairs += alone.pairs;
    jobs[index]->given_seconds += parts_.cost->predict(alone);
    step.add(*jobs[index]);
  }
  DenoiseReport report = step.run();
  report.device_seconds = seconds_between(now, Clock::now());
  report.predicted_seconds = parts_.cost->predict(shape);
  if (parts_.observer != nullptr) parts_.observer->on_denoise(report);
  for (Job* job : step.jobs()) finish_step(*job);
}

void DenoiseEngine::finish_step(Job& job) {
  const double timestep = job.solver->steps().timesteps[job.step];
  const bool shows = shows_preview(job) && job.previews_left == 0;
  ++job.step;
  ledger_.trim(job);
  job.sink->post(JobStep{job.step, job.steps(), timestep});
  if (shows) show(job);
  if (job.step == job.steps()) complete(job);
}

void DenoiseEngine::show(Job& job) {
  job.preview = {job.step, {pixel_shape(parts_.rules, job), {}}};
  job.previews_left = job.samples.size();
  std::vector<std::vector<float>> latents(job.samples.size(),
                                          std::vector<float>(job.shape.elements()));
  for (size_t which = 0; which < latents.size(); ++which) {
    parts_.worker->download(job.samples[which].branches[0].output_offset, latents[which]);
  }
  parts_.worker->wait();
  for (std::vector<float>& sample : latents) {
    parts_.decoder->start({job.key, job.step, std::move(sample), job.shape});
  }
}

// The latents leave the pools at once, so that the next job can be admitted while they are decoded.
void DenoiseEngine::complete(Job& job) {
  const int64_t elements = job.shape.elements();
  const int64_t n = static_cast<int64_t>(job.samples.size());
  JobResult& result = job.result;
  result.values.values.resize(n * elements);
  for (int64_t which = 0; which < n; ++which) {
    parts_.worker->download(job.samples[which].latents,
                            std::span(result.values.values).subspan(which * elements, elements));
  }
  parts_.worker->wait();
  ledger_.release(job);
  job.denoised = Clock::now();
  job.timings.denoise_seconds =
      seconds_between(job.admitted, job.denoised) - job.timings.condition_seconds;
  result.seed = job.seed;
  result.summary = job.summary;
  result.trace = std::move(job.trace);
  if (job.cache != nullptr) result.notes = job.cache->plan().notes;
  if (parts_.decoder == nullptr || job.request.latents_only) {
    result.values = latents_of(parts_.rules, job, std::move(result.values.values));
    result.first_action = parts_.info.first_action;
    result.action_count = parts_.info.action_count;
    finish(job);
    return;
  }
  const std::vector<float> latents = std::move(result.values.values);
  for (int64_t which = 0; which < n; ++which) {
    const auto begin = latents.begin() + which * elements;
    parts_.decoder->start({job.key, 0, {begin, begin + elements}, job.shape});
  }
  result.values = {pixel_shape(parts_.rules, job), {}};
  const auto place = std::find_if(running_.begin(), running_.end(),
                                  [&job](const auto& other) { return other.get() == &job; });
  decoding_.splice(decoding_.end(), running_, place);
}

void DenoiseEngine::take_decoded() {
  DecodeWorker::Decoded decoded;
  while (parts_.decoder != nullptr && parts_.decoder->poll(decoded)) {
    Job* job = nullptr;
    for (Jobs* const jobs : {&running_, &decoding_}) {
      for (const std::unique_ptr<Job>& other : *jobs) {
        if (other->key == decoded.key) job = other.get();
      }
    }
    CHECK(job != nullptr);  // who ends drops its samples
    std::vector<float>& values =
        decoded.step > 0 ? job->preview.pixels.values : job->result.values.values;
    values.insert(values.end(), decoded.pixels.begin(), decoded.pixels.end());
    if (decoded.step > 0) {
      if (--job->previews_left == 0) job->sink->post(std::move(job->preview));
    } else if (++job->decoded == job->samples.size()) {
      finish(*job);
    }
  }
}

void DenoiseEngine::finish(Job& job) {
  const Clock::time_point now = Clock::now();
  job.timings.decode_seconds = seconds_between(job.denoised, now);
  job.timings.total_seconds = seconds_between(job.submitted, now);
  job.result.timings = job.timings;
  end(job, std::move(job.result), "done");
}

void DenoiseEngine::fail(Job& job, const absl::Status& status) {
  job.timings.total_seconds = seconds_between(job.submitted, Clock::now());
  const bool cancelled = absl::IsCancelled(status);
  const bool late = absl::IsDeadlineExceeded(status);
  end(job, JobFailed{status}, cancelled ? "cancelled" : late ? "deadline" : "error");
}

// The job is gone afterwards.
void DenoiseEngine::end(Job& job, DiffusionEvent last, const std::string& outcome) {
  ledger_.release(job);
  if (parts_.decoder != nullptr) parts_.decoder->drop(job.key);
  if (parts_.observer != nullptr) parts_.observer->on_job_end(job.timings, outcome);
  const std::shared_ptr<DiffusionSink> sink = job.sink;
  const RequestId id = job.request.id;
  const auto is_job = [&job](const std::unique_ptr<Job>& other) { return other.get() == &job; };
  waiting_.remove_if(is_job);
  encoding_.remove_if(is_job);
  running_.remove_if(is_job);
  decoding_.remove_if(is_job);
  {
    // Who has the last event may use the id again at once.
    const std::lock_guard<std::mutex> lock(mutex_);
    ids_.erase(id);
  }
  publish_load();
  sink->post(std::move(last));
  const std::lock_guard<std::mutex> lock(mutex_);
  if (--live_ == 0) idle_.notify_all();
}

void DenoiseEngine::publish_load() {
  const JobPools used = ledger_.used();
  const std::lock_guard<std::mutex> lock(mutex_);
  load_.running = static_cast<int64_t>(encoding_.size() + running_.size() + decoding_.size());
  load_.waiting = static_cast<int64_t>(waiting_.size());
  load_.job_bytes_total = parts_.job_bytes;
  const int64_t row_bytes = static_cast<int64_t>(sizeof(float)) * parts_.rules.facts.width;
  const int64_t block_bytes = kFeatureBlockRows * row_bytes;
  load_.job_bytes_used = static_cast<int64_t>(sizeof(float)) * used.floats +
                         used.context_rows * row_bytes + used.feature_blocks * block_bytes;
  load_.feature_bytes_total = parts_.pools.feature_blocks * block_bytes;
  load_.feature_bytes_used = used.feature_blocks * block_bytes;
}

double DenoiseEngine::predicted_seconds_left(const Job& job) const {
  return parts_.cost->predict(mean_step_shape(job)) * (job.steps() - job.step);
}

}  // namespace tessera
