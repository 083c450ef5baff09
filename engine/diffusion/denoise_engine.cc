#include "engine/diffusion/denoise_engine.h"

#include <algorithm>

#include "engine/diffusion/job_parts.h"
#include "engine/diffusion/job_result.h"
#include "engine/diffusion/job_start.h"
#include "engine/diffusion/recount.h"
#include "engine/diffusion/step_work.h"
#include "kernels/core/check.h"

namespace tessera {
namespace {

constexpr std::chrono::microseconds kStreamPoll{500};
// Steps that are predicted to take longer are waited for before the next is planned.
constexpr double kShortStepSeconds = 5e-4;
// Of shorter ones, how much may be launched behind the one that runs: enough that a run of steps
// that reuse nearly everything is planned while one that computes runs.
constexpr double kAheadSeconds = 5e-4;
constexpr double kPaceShare = 0.05;  // of the newest step in the pace,
constexpr double kOffMost = 4;  // of which one step changes no more than by this factor's share

double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

}  // namespace

DenoiseEngine::DenoiseEngine(DenoiseEngineParts parts)
    : parts_(std::move(parts)), ledger_(parts_.pools) {
  heartbeat_ = Clock::now();
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
  parts_.worker->wait();
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
  heartbeat_ = Clock::now();
  std::unique_lock<std::mutex> lock(mutex_);
  const auto idle = [&] {
    return inbox_.empty() && cancels_.empty() && waiting_.empty() && encoding_.empty() &&
           running_.empty() && decoding_.empty();
  };
  busy_ = !idle();
  while (idle()) {
    if (stopping_) return false;
    changed_.wait(lock);
    heartbeat_ = Clock::now();
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
  while (!arrived.empty()) {
    arrived.front()->key = next_key_++;
    line_up(arrived, arrived.begin());
  }
}

void DenoiseEngine::line_up(Jobs& from, Jobs::iterator job) {
  const int32_t priority = (*job)->request.priority;
  const auto place = std::find_if(
      waiting_.begin(), waiting_.end(),
      [&](const std::unique_ptr<Job>& other) { return other->request.priority < priority; });
  waiting_.splice(place, from, job);
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
        fail(*at, absl::DeadlineExceededError("the deadline passed after " +
                                              std::to_string(steps_in_all(*at, at->step)) + " of " +
                                              std::to_string(at->steps()) + " steps"));
      }
    }
  }
}

// In order; nobody overtakes a job that waits for memory, so a large one is not starved.
void DenoiseEngine::admit_waiting() {
  while (!waiting_.empty() && ledger_.admit(*waiting_.front())) {
    Job& job = *waiting_.front();
    if (job.in_first_part()) {
      job.admitted = Clock::now();
      job.timings.queue_seconds = seconds_between(job.submitted, job.admitted);
    }
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
    // Between its parts a job keeps what it has been given.
    job.given_seconds = std::max(job.given_seconds, level);
    if (job.in_first_part()) {
      job.timings.condition_seconds = seconds_between(job.admitted, Clock::now());
    }
    running_.splice(running_.end(), encoding_, at);
    const absl::Status status = start_job(*parts_.worker, parts_.rules.facts, job);
    if (!status.ok()) fail(job, status);
  }
}

std::vector<JobView> DenoiseEngine::views(Clock::time_point now) const {
  std::vector<JobView> views;
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
  }
  return views;
}

std::unique_ptr<DenoiseEngine::Flight> DenoiseEngine::choose_step() {
  const Clock::time_point now = Clock::now();
  auto flight = std::make_unique<Flight>(Flight{DenoiseStep(*parts_.worker, parts_.rules), now});
  std::vector<Job*> jobs;
  for (const std::unique_ptr<Job>& job : running_) jobs.push_back(job.get());
  const std::vector<JobView> views = this->views(now);
  StepShape shape;
  for (const size_t index : choose_jobs(views, parts_.limits)) {
    const StepShape& alone = views[index].next_step;
    shape.rows += alone.rows;
    shape.contexts += alone.contexts;
    shape.pairs += alone.pairs;
    jobs[index]->given_seconds += parts_.cost->predict(alone);
    flight->step.add(*jobs[index]);
  }
  flight->predicted_seconds = pace_ * parts_.cost->predict(shape);
  return flight;
}

void DenoiseEngine::step() {
  if (running_.empty()) {
    // Other streams have no way to wake this thread; a prompt or a picture takes far longer.
    if (!decoding_.empty() || !encoding_.empty()) std::this_thread::sleep_for(kStreamPoll);
    return;
  }
  flights_.push_back(choose_step());
  const Flight& flight = *flights_.back();
  DenoiseStep& step = flights_.back()->step;
  step.launch();
  bool waits = step.decides() || flight.predicted_seconds > kShortStepSeconds;
  for (const auto& [job, index] : step.jobs())
    waits |= shows_preview(*job) || index + 1 == job->steps();
  retire_to(flights_within(kAheadSeconds));
  if (waits) step.wait();
  for (const auto& [job, index] : step.jobs()) {
    ++job->step;
    ledger_.trim(*job);
  }
  if (waits) retire_to(0);
}

// How many may stay in flight so that those behind the oldest take at most so long; at least one.
size_t DenoiseEngine::flights_within(double seconds) const {
  size_t count = 1;
  for (auto flight = flights_.rbegin(); flight + 1 != flights_.rend(); ++flight, ++count) {
    seconds -= (*flight)->predicted_seconds;
    if (seconds < 0) break;
  }
  return count;
}

void DenoiseEngine::retire_to(size_t left) {
  while (flights_.size() > left) {
    const std::unique_ptr<Flight> flight = std::move(flights_.front());
    flights_.pop_front();
    flight->step.wait();
    const Clock::time_point now = Clock::now();
    DenoiseReport report = flight->step.report();
    report.device_seconds = seconds_between(std::max(flight->launched, retired_), now);
    report.predicted_seconds = flight->predicted_seconds;
    retired_ = now;
    if (report.predicted_seconds > 0) {
      const double off =
          std::clamp(report.device_seconds / report.predicted_seconds, 1 / kOffMost, kOffMost);
      pace_ = pace_ * (1 - kPaceShare + kPaceShare * off);
    }
    if (parts_.observer != nullptr) parts_.observer->on_denoise(report);
    for (const auto& [job, index] : flight->step.jobs()) finish_step(*job, index);
  }
}

// The job has taken its step, and none since if it was the last or one that shows.
void DenoiseEngine::finish_step(Job& job, int step) {
  const int done = step + 1, in_all = steps_in_all(job, done);
  if (in_all > job.told_steps && (!job.told_at.has_value() || in_all == job.steps() ||
                                  retired_ >= *job.told_at + job.request.progress_interval)) {
    job.sink->post(JobStep{in_all, job.steps(), job.solver->steps().timesteps[in_all - 1]});
    job.told_steps = in_all;
    job.told_at = retired_;
  }
  if (previews_after(job, done) && job.previews_left == 0) show(job);
  if (done == job.steps()) complete(job);
}

void DenoiseEngine::show(Job& job) {
  const std::vector<JobSample>& samples = job.samples;
  job.previews_left = samples.size();
  job.preview = {job.step,
                 {pixel_shape(parts_.rules, job, static_cast<int64_t>(samples.size())), {}},
                 samples.front().index};
  std::vector<std::vector<float>> latents(samples.size(), std::vector<float>(job.shape.elements()));
  for (size_t which = 0; which < latents.size(); ++which) {
    parts_.worker->download(samples[which].branches[0].output_offset, latents[which]);
  }
  parts_.worker->wait();
  for (std::vector<float>& sample : latents) {
    parts_.decoder->start({job.key, job.step, std::move(sample), job.shape});
  }
}

// The latents leave the pools at once, so that the next job can be admitted while they are decoded.
void DenoiseEngine::complete(Job& job) {
  const int64_t elements = job.shape.elements();
  const auto place = std::find_if(running_.begin(), running_.end(),
                                  [&job](const auto& other) { return other.get() == &job; });
  JobResult& result = job.result;
  result.values.values.resize(job.n * elements);
  for (const JobSample& sample : job.samples) {
    parts_.worker->download(
        sample.latents, std::span(result.values.values).subspan(sample.index * elements, elements));
  }
  parts_.worker->wait();
  ledger_.release(job);
  if (job.samples_after_part() > 0) {
    begin_part(job, job.samples.back().index + 1);
    line_up(running_, place);
    return;
  }
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
  for (int64_t which = 0; which < job.n; ++which) {
    const auto begin = latents.begin() + which * elements;
    parts_.decoder->start({job.key, 0, {begin, begin + elements}, job.shape});
  }
  result.values = {pixel_shape(parts_.rules, job, job.n), {}};
  decoding_.splice(decoding_.end(), running_, place);
}

void DenoiseEngine::take_decoded() {
  DecodeWorker::Decoded decoded;
  while (parts_.decoder != nullptr && parts_.decoder->poll(decoded)) {
    Job* job = nullptr;
    for (Jobs* const jobs : {&waiting_, &encoding_, &running_, &decoding_}) {
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
    } else if (++job->decoded == job->n) {
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
  retire_to(0);  // a step in flight may name it; none ends a job
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
  const auto seconds_from = [&](int step) {
    return pace_ * parts_.cost->predict(mean_step_shape(job, step)) * (job.steps() - step);
  };
  const double parts_after =
      static_cast<double>(job.samples_after_part()) / static_cast<double>(job.samples.size());
  return seconds_from(job.step) + parts_after * seconds_from(0);
}

}  // namespace tessera
