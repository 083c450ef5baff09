#include "server/grpc/stream_pump.h"

#include <algorithm>
#include <utility>

namespace tessera {

using Clock = std::chrono::steady_clock;

StreamPump::StreamPump(Clock::duration stall_limit)
    : stall_limit_(stall_limit), thread_([this] { run(); }) {}

StreamPump::~StreamPump() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
  }
  woken_.notify_all();
  thread_.join();
}

void StreamPump::add(std::shared_ptr<PumpedStream> stream) {
  std::lock_guard lock(mutex_);
  PumpedStream* key = stream.get();
  live_.emplace(key, std::move(stream));
}

void StreamPump::remove(PumpedStream* stream) {
  std::shared_ptr<PumpedStream> last;  // destroyed after the lock
  std::lock_guard lock(mutex_);
  if (const auto found = live_.find(stream); found != live_.end()) {
    last = std::move(found->second);
    live_.erase(found);
  }
  if (live_.empty()) emptied_.notify_all();
}

void StreamPump::wake(std::shared_ptr<PumpedStream> stream) {
  bool asleep;
  {
    std::lock_guard lock(mutex_);
    ready_.push_back(std::move(stream));
    asleep = std::exchange(sleeping_, false);
  }
  if (asleep) woken_.notify_one();
}

bool StreamPump::wait_empty(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return emptied_.wait_until(lock, deadline, [this] { return live_.empty(); });
}

void StreamPump::abort_all() {
  std::vector<std::shared_ptr<PumpedStream>> streams;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [key, stream] : live_) streams.push_back(stream);
  }
  for (const auto& stream : streams) stream->abort();
}

size_t StreamPump::live() const {
  std::lock_guard lock(mutex_);
  return live_.size();
}

void StreamPump::run() {
  const auto period = std::min<Clock::duration>(stall_limit_ / 4, std::chrono::seconds(1));
  auto next_check = Clock::now() + period;
  std::vector<std::shared_ptr<PumpedStream>> work;
  std::unique_lock lock(mutex_);
  while (!ending_) {
    sleeping_ = ready_.empty();
    if (sleeping_)
      woken_.wait_until(lock, next_check, [this] { return ending_ || !ready_.empty(); });
    sleeping_ = false;
    work.swap(ready_);
    const auto now = Clock::now();
    const bool checks = now >= next_check;
    std::vector<std::shared_ptr<PumpedStream>> all;
    if (checks) {
      next_check = now + period;
      for (const auto& [key, stream] : live_) all.push_back(stream);
    }
    lock.unlock();
    for (const auto& stream : work) stream->advance();
    for (const auto& stream : all) stream->end_if_stalled(now - stall_limit_);
    work.clear();
    all.clear();
    lock.lock();
  }
}

}  // namespace tessera
