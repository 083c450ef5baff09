#include "kernels/cpu/threads/compute_pool.h"

#include <algorithm>

#include "kernels/core/check.h"
#include "kernels/core/float_mode.h"
#include "kernels/core/spin.h"
#include "kernels/cpu/threads/usable_cpus.h"

namespace tessera {
namespace {

constexpr uint64_t kIndexMask = 0xffffffff;
constexpr uint64_t kClosed = kIndexMask;  // an index beyond every count

uint64_t first_index(int64_t count, int share, int shares) {
  return static_cast<uint64_t>(count * share / shares);
}

}  // namespace

ComputePool::ComputePool(int threads) {
  CHECK_GE(threads, 0);
  const int total = threads == 0 ? usable_cpus() : threads;
  shares_ = std::min(total, kSharesMost);
  for (int thread = 1; thread < total; ++thread) {
    workers_.emplace_back([this, thread] { serve(thread); });
  }
}

ComputePool::~ComputePool() {
  stopping_.store(true);
  wake_.fetch_add(1);
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ComputePool::run(Call call, void* context, int64_t count) {
  CHECK_LE(count, int64_t{0x7fffffff});
  std::lock_guard lock(turn_);
  // The job before is finished, but a worker may still be looking at it. Closing the ticket first
  // makes its claim fail once it has read any of the new fields (they are released after the
  // close).
  const uint64_t job = (tickets_[0].ticket.load(std::memory_order_relaxed) >> 32) + 1;
  for (int share = 0; share < shares_; ++share) {
    tickets_[share].ticket.store(job << 32 | kClosed, std::memory_order_relaxed);
  }
  call_.store(call, std::memory_order_release);
  context_.store(context, std::memory_order_release);
  count_.store(count, std::memory_order_release);
  unfinished_.store(static_cast<int32_t>(count), std::memory_order_release);
  for (int share = 0; share < shares_; ++share) {
    tickets_[share].ticket.store(job << 32 | first_index(count, share, shares_),
                                 std::memory_order_release);
  }
  wake_.fetch_add(1);
  if (sleepers_.load() > 0) wake_.notify_all();

  work(0);
  const auto finished = [this] { return unfinished_.load(std::memory_order_acquire) == 0; };
  if (spin_until(finished)) return;
  while (true) {
    const int32_t left = unfinished_.load(std::memory_order_acquire);
    if (left == 0) return;
    unfinished_.wait(left, std::memory_order_acquire);
  }
}

void ComputePool::work(int thread) {
  const int own = static_cast<int>(int64_t{thread} * shares_ / threads());
  int32_t done = 0;
  for (int offset = 0; offset < shares_; ++offset) {
    done += work_in((own + offset) % shares_, thread);
  }
  // The job cannot end, nor the next begin, before this: all that was run was of one job.
  if (done > 0 && unfinished_.fetch_sub(done, std::memory_order_acq_rel) == done) {
    unfinished_.notify_all();
  }
}

int32_t ComputePool::work_in(int share, int thread) {
  std::atomic<uint64_t>& next = tickets_[share].ticket;
  uint64_t ticket = next.load(std::memory_order_acquire);
  int32_t done = 0;
  while (true) {
    const Call call = call_.load(std::memory_order_acquire);
    void* const context = context_.load(std::memory_order_acquire);
    const int64_t count = count_.load(std::memory_order_acquire);
    const uint64_t index = ticket & kIndexMask;
    if (index >= first_index(count, share + 1, shares_)) return done;
    if (!next.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel,
                                    std::memory_order_acquire)) {
      continue;
    }
    call(context, static_cast<int64_t>(index), thread);
    ++done;
    ticket = next.load(std::memory_order_acquire);
  }
}

void ComputePool::serve(int thread) {
  const FlushSubnormals flush;
  uint32_t seen = 0;
  while (true) {
    const auto woken = [this, seen] { return wake_.load(std::memory_order_acquire) != seen; };
    if (!spin_until(woken)) {
      sleepers_.fetch_add(1);
      wake_.wait(seen);
      sleepers_.fetch_sub(1);
    }
    seen = wake_.load(std::memory_order_acquire);
    if (stopping_.load()) return;
    work(thread);
  }
}

}  // namespace tessera
