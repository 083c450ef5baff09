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

uint64_t job_of(uint64_t ticket) { return ticket >> 32; }

}  // namespace

ComputePool::ComputePool(int threads) {
  CHECK_GE(threads, 0);
  threads_ = threads == 0 ? usable_cpus() : threads;
  shares_ = std::min(threads_, kSharesMost);
  for (int thread = 1; thread < threads_; ++thread) {
    workers_.emplace_back([this, thread] { serve(thread); });
  }
}

ComputePool::~ComputePool() {
  stopping_.store(true);
  for (Share& share : share_) share.ticket.store((job_of(share.ticket.load()) + 1) << 32 | kClosed);
  wake_.fetch_add(1);
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ComputePool::run(Call call, void* context, int64_t count) {
  CHECK_LE(count, int64_t{0x7fffffff});
  std::lock_guard lock(turn_);
  unfinished_.store(static_cast<int32_t>(count), std::memory_order_relaxed);
  for (int number = 0; number < shares_; ++number) {
    // The job before is finished, but a worker may still be looking at it. Closing the ticket first
    // makes its claim fail once it has read any of the new fields (they are released after the
    // close).
    Share& share = share_[number];
    const uint64_t job = job_of(share.ticket.load(std::memory_order_relaxed));
    share.ticket.store(job << 32 | kClosed, std::memory_order_relaxed);
    share.call.store(call, std::memory_order_release);
    share.context.store(context, std::memory_order_release);
    share.end.store(static_cast<uint64_t>(count * (number + 1) / shares_),
                    std::memory_order_release);
    const auto begin = static_cast<uint64_t>(count * number / shares_);
    share.ticket.store((job + 1) << 32 | begin, std::memory_order_release);
  }
  // A worker that goes to sleep counts itself first and looks at its ticket after it has read
  // `wake_`: either it is counted here, or it sees the job.
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

ComputePool::Share& ComputePool::share_of(int thread) {
  return share_[static_cast<size_t>(int64_t{thread} * shares_ / threads_)];
}

void ComputePool::work(int thread) {
  const auto own = static_cast<int>(&share_of(thread) - share_.data());
  int32_t done = 0;
  for (int offset = 0; offset < shares_; ++offset) {
    done += work_in(share_[(own + offset) % shares_], thread);
  }
  // The job cannot end, nor the next begin, before this: all that was run was of one job.
  if (done > 0 && unfinished_.fetch_sub(done, std::memory_order_acq_rel) == done) {
    unfinished_.notify_all();
  }
}

int32_t ComputePool::work_in(Share& share, int thread) {
  uint64_t ticket = share.ticket.load(std::memory_order_acquire);
  int32_t done = 0;
  while (true) {
    const Call call = share.call.load(std::memory_order_acquire);
    void* const context = share.context.load(std::memory_order_acquire);
    const uint64_t end = share.end.load(std::memory_order_acquire);
    const uint64_t index = ticket & kIndexMask;
    if (index >= end) return done;
    if (!share.ticket.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel,
                                            std::memory_order_acquire)) {
      continue;
    }
    call(context, static_cast<int64_t>(index), thread);
    ++done;
    ticket = share.ticket.load(std::memory_order_acquire);
  }
}

void ComputePool::serve(int thread) {
  const FlushSubnormals flush;
  const std::atomic<uint64_t>& own = share_of(thread).ticket;
  uint64_t seen = 0;
  const auto called = [&] { return job_of(own.load(std::memory_order_acquire)) != seen; };
  while (true) {
    if (!spin_until(called)) {
      sleepers_.fetch_add(1);
      for (uint32_t before = wake_.load(); !called(); before = wake_.load()) wake_.wait(before);
      sleepers_.fetch_sub(1);
    }
    seen = job_of(own.load(std::memory_order_acquire));
    if (stopping_.load()) return;
    work(thread);
  }
}

}  // namespace tessera
