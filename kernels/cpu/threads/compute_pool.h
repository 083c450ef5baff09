// The compute threads of one NUMA node, shared by the whole daemon. The lane's thread is
// participant 0 and works along; the others are the pool's own. Owned by the process's composition
// root and outlives every Execution. parallel_for is called by one lane at a time (a second lane
// waits its turn) and never from inside a body.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace tessera {

class ComputePool {
 public:
  // `threads` counts the caller's; 0 takes what affinity and the cgroup's cpu.max allow.
  explicit ComputePool(int threads);
  ~ComputePool();
  ComputePool(const ComputePool&) = delete;
  ComputePool& operator=(const ComputePool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Runs body(index, thread) for every index in [0, count), claimed one by one in ascending order,
  // and returns when all are done; thread is in [0, threads()). Which thread runs an index is not
  // determined, so a body may only write what its index owns (and scratch of its thread).
  // REQUIRES: count < 2^31.
  template <class Body>
  void parallel_for(int64_t count, Body&& body) {
    if (count <= 0) return;
    if (count == 1 || workers_.empty()) {
      for (int64_t index = 0; index < count; ++index) body(index, 0);
      return;
    }
    using Plain = std::remove_reference_t<Body>;
    run([](void* context, int64_t index,
           int thread) { (*static_cast<Plain*>(context))(index, thread); },
        const_cast<void*>(static_cast<const void*>(&body)), count);
  }

 private:
  using Call = void (*)(void* context, int64_t index, int thread);

  void run(Call call, void* context, int64_t count);
  // Claims and runs indices of the job that `ticket_` names until none is left.
  void work(int thread);
  void serve(int thread);

  // The job's number in the high half, its next unclaimed index in the low half: one
  // compare-and-swap both claims an index and proves that the job read before it is still the
  // current one.
  alignas(64) std::atomic<uint64_t> ticket_{0};
  std::atomic<Call> call_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::atomic<int64_t> count_{0};
  alignas(64) std::atomic<int32_t> unfinished_{0};
  alignas(64) std::atomic<uint32_t> wake_{0};  // raised with each job; sleepers wait on it
  std::atomic<int32_t> sleepers_{0};
  std::atomic<bool> stopping_{false};
  std::mutex turn_;
  std::vector<std::thread> workers_;
};

}  // namespace tessera
