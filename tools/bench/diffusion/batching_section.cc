#include "tools/bench/diffusion/batching_section.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "tools/bench/diffusion/at_once.h"
#include "tools/bench/quality/paired_success.h"
#include "tools/sim/push_episode.h"

namespace tessera {
namespace {

using Task = std::function<absl::Status(int)>;

absl::StatusOr<double> seconds_of(int jobs, int at_once, const Task& task) {
  const auto begin = std::chrono::steady_clock::now();
  absl::Status status = run_at_once(jobs, at_once, task);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  if (!status.ok()) return status;
  return seconds.count();
}

absl::StatusOr<BatchGain> measure_gain(int jobs, int repeats, const Task& task) {
  BatchGain gain{jobs};
  std::vector<double> ratios, singles, together;
  if (absl::Status warm = run_at_once(1, 1, task); !warm.ok()) return warm;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    const auto single = seconds_of(jobs, 1, task);
    if (!single.ok()) return single.status();
    const auto at_once = seconds_of(jobs, jobs, task);
    if (!at_once.ok()) return at_once.status();
    ratios.push_back(*single / *at_once);
    singles.push_back(*single);
    together.push_back(*at_once);
  }
  gain.gain = median_of(ratios);
  gain.one_by_one_seconds = median_of(singles);
  gain.at_once_seconds = median_of(together);
  return gain;
}

// One repeat of the late arrival.
struct Arrival {
  int long_at_acceptance = -1, long_at_first_step = -1;
  double queue_seconds = 0, seconds = 0;
};

absl::StatusOr<Arrival> arrive_late(const PictureSource& source, int long_steps, int short_steps) {
  std::atomic<int> done{0};
  std::atomic<bool> ended{false};
  absl::Status long_status;
  std::thread long_job([&] {
    long_status = ask_for(source, {1, long_steps, {}}, [&](int step) { done = step; }).status();
    ended = true;
  });
  while (!ended && done < long_steps / 3) {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  Arrival arrival;
  const auto run = ask_for(source, {2, short_steps, {}}, [&](int step) {
    if (step == 0) arrival.long_at_acceptance = done;
    if (step > 0 && arrival.long_at_first_step < 0) arrival.long_at_first_step = done;
  });
  const bool overlapped = !ended;
  long_job.join();
  if (!long_status.ok()) return long_status;
  if (!run.ok()) return run.status();
  if (!overlapped) {
    return absl::FailedPreconditionError("the long job ended before the short one: too few steps");
  }
  arrival.queue_seconds = run->queue_seconds;
  arrival.seconds = run->wall_seconds;
  return arrival;
}

}  // namespace

absl::StatusOr<BatchGain> measure_action_batching(const std::string& address, int jobs, int steps,
                                                  int repeats) {
  return measure_gain(jobs, repeats, [&](int job) {
    const PushEpisode episode(PushWorld::start(1, job));
    v1::PredictActionRequest request;
    request.mutable_observations()->add_shape(static_cast<int64_t>(episode.observations().size()) /
                                              kPushObservationSize);
    request.mutable_observations()->add_shape(kPushObservationSize);
    request.mutable_observations()->mutable_values()->Add(episode.observations().begin(),
                                                          episode.observations().end());
    request.mutable_denoising()->set_steps(steps);
    request.mutable_denoising()->set_seed(job);
    return run_denoise(address, request).status();
  });
}

absl::StatusOr<BatchGain> measure_picture_batching(const PictureSource& source, int jobs, int steps,
                                                   int repeats) {
  return measure_gain(jobs, repeats, [&](int job) {
    return ask_for(source, {static_cast<uint64_t>(job) * source.samples, steps, {}}).status();
  });
}

absl::StatusOr<LateArrival> measure_late_arrival(const PictureSource& source, int long_steps,
                                                 int short_steps, int repeats) {
  LateArrival late{long_steps, short_steps};
  std::vector<double> starts, solos, seconds, ratios, queues;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    const auto solo = ask_for(source, {2, short_steps, {}});
    if (!solo.ok()) return solo.status();
    const auto arrival = arrive_late(source, long_steps, short_steps);
    if (!arrival.ok()) return arrival.status();
    const int before = arrival->long_at_first_step - arrival->long_at_acceptance - 1;
    starts.push_back(before);
    late.steps_before_start_most = std::max(late.steps_before_start_most, before);
    solos.push_back(solo->wall_seconds);
    seconds.push_back(arrival->seconds);
    ratios.push_back(arrival->seconds / solo->wall_seconds);
    queues.push_back(arrival->queue_seconds / (solo->denoise_seconds / short_steps));
  }
  late.steps_before_start = median_of(starts);
  late.solo_seconds = median_of(solos);
  late.seconds = median_of(seconds);
  late.slowdown = median_of(ratios);
  late.queue_in_steps = median_of(queues);
  return late;
}

}  // namespace tessera
