#include "kernels/core/lane.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "kernels/core/check.h"
#include "kernels/core/memory.h"
#include "kernels/core/spin.h"

namespace tessera {
namespace {

using Clock = std::chrono::steady_clock;

// Long enough to keep a stream's weights and scratch in cache, short beside a step.
constexpr std::chrono::microseconds kTurn{1000};
constexpr int kCommandsPerClock = 8;
// While every stream waits for peers on other lanes, nobody rings this doorbell.
constexpr std::chrono::microseconds kEagerPolling{50};
constexpr std::chrono::microseconds kLongestNap{1000};

double seconds(Clock::duration span) { return std::chrono::duration<double>(span).count(); }

}  // namespace

Lane::Lane(Execution& execution) : execution_(execution), thread_([this] { run(); }) {}

Lane::~Lane() {
  stopping_.store(true);
  doorbell_.fetch_add(1);
  doorbell_.notify_one();
  thread_.join();
  CHECK(guests_.empty());
}

void Lane::attach(Stream& stream) {
  std::atomic<uint32_t>* nobody = nullptr;
  CHECK(stream.doorbell_.compare_exchange_strong(nobody, &doorbell_));
  apply(stream, true);
}

void Lane::detach(Stream& stream) {
  stream.wait(stream.record());
  apply(stream, false);
  stream.doorbell_.store(nullptr);
}

void Lane::apply(Stream& stream, bool arrives) {
  std::unique_lock lock(mutex_);
  changes_.push_back({&stream, arrives});
  const uint64_t mine = ++changes_asked_;
  changes_pending_.store(true);
  doorbell_.fetch_add(1);
  doorbell_.notify_one();
  applied_.wait(lock, [this, mine] { return changes_made_ >= mine; });
}

void Lane::take_changes() {
  std::lock_guard lock(mutex_);
  for (const Change& change : changes_) {
    if (change.arrives) {
      guests_.push_back({change.stream, 0.0, false, false});
    } else {
      std::erase_if(guests_, [&](const Guest& guest) { return guest.stream == change.stream; });
    }
  }
  changes_made_ += changes_.size();
  changes_.clear();
  changes_pending_.store(false);
  applied_.notify_all();
}

void Lane::run() {
  Clock::time_point last_progress = Clock::now();
  while (true) {
    const uint32_t rung = doorbell_.load();
    take_changes();
    if (stopping_.load()) return;
    if (serve()) {
      last_progress = Clock::now();
      continue;
    }
    const auto rings = [this, rung] { return doorbell_.load(std::memory_order_acquire) != rung; };
    if (!any_blocked()) {
      if (!spin_until(rings)) doorbell_.wait(rung);
      last_progress = Clock::now();
      continue;
    }
    const Clock::duration since = Clock::now() - last_progress;
    if (since < kEagerPolling) {
      relax_cpu();
    } else {
      std::this_thread::sleep_for(std::min<Clock::duration>(since / 4, kLongestNap));
    }
  }
}

bool Lane::serve() {
  for (Guest& guest : guests_) guest.blocked = false;
  Guest* guest = choose();
  if (guest == nullptr) return false;
  bool progress = false;
  Region::open_all();
  do {
    const Clock::time_point start = Clock::now();
    Clock::time_point now = start;
    int retired = 0, ran = 0;
    do {
      ran = guest->stream->run_some(execution_, kCommandsPerClock);
      retired += ran;
      now = Clock::now();
    } while (ran == kCommandsPerClock && now - start < kTurn);
    guest->used_seconds += seconds(now - start);
    if (retired > 0) {
      // Someone may have waited for exactly this.
      for (Guest& other : guests_) other.blocked = false;
      progress = true;
    } else {
      guest->blocked = true;
    }
    guest = choose();
  } while (guest != nullptr && !changes_pending_.load(std::memory_order_relaxed));
  Region::close_all();
  return progress;
}

Lane::Guest* Lane::choose() {
  double least_waiting = std::numeric_limits<double>::infinity();
  for (const Guest& guest : guests_) {
    if (guest.waiting) least_waiting = std::min(least_waiting, guest.used_seconds);
  }
  Guest* best = nullptr;
  for (Guest& guest : guests_) {
    const bool works = !guest.stream->idle();
    // Idle time earns no credit: a newcomer starts level with those who queue already.
    if (works && !guest.waiting && least_waiting < std::numeric_limits<double>::infinity()) {
      guest.used_seconds = std::max(guest.used_seconds, least_waiting);
    }
    guest.waiting = works;
    if (!works || guest.blocked) continue;
    if (best == nullptr || guest.used_seconds < best->used_seconds) best = &guest;
  }
  return best;
}

bool Lane::any_blocked() const {
  return std::any_of(guests_.begin(), guests_.end(),
                     [](const Guest& guest) { return guest.blocked && !guest.stream->idle(); });
}

}  // namespace tessera
