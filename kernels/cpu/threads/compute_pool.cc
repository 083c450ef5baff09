#include "kernels/cpu/threads/compute_pool.h"

#include "kernels/core/check.h"
#include "kernels/core/float_mode.h"
#include "kernels/core/spin.h"
#include "kernels/cpu/threads/usable_cpus.h"

namespace tessera {
namespace {

constexpr uint64_t kIndexMask = 0xffffffff;
constexpr uint64_t kClosed = kIndexMask;  // an index beyond every count

}  // namespace

ComputePool::ComputePool(int threads) {
  CHECK_GE(threads, 0);
  const int total = threads == 0 ? usable_cpus() : threads;
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
  const uint64_t job = (ticket_.load(std::memory_order_relaxed) >> 32) + 1;
  ticket_.store(job << 32 | kClosed, std::memory_order_relaxed);
  call_.store(call, std::memory_order_release);
  context_.store(context, std::memory_order_release);
  count_.store(count, std::memory_order_release);
  unfinished_.store(static_cast<int32_t>(count), std::memory_order_release);
  ticket_.store(job << 32, std::memory_order_release);
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
  uint64_t ticket = ticket_.load(std::memory_order_acquire);
  while (true) {
    const Call call = call_.load(std::memory_order_acquire);
    void* const context = context_.load(std::memory_order_acquire);
    const int64_t count = count_.load(std::memory_order_acquire);
    const int64_t index = static_cast<int64_t>(ticket & kIndexMask);
    if (index >= count) return;
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel,
                                       std::memory_order_acquire)) {
      continue;
    }
    call(context, index, thread);
    if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_all();
    ticket = ticket_.load(std::memory_order_acquire);
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
