// The compute threads of one NUMA node, shared by the whole daemon. The lane's thread is
// participant 0 and works along; the others are the pool's own. Owned by the process's composition
// root and outlives every Execution. parallel_for is called by one lane at a time (a second lane
// waits its turn) and never from inside a body.
#pragma once

#include <array>
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

  int threads() const { return threads_; }

  // Runs body(index, thread) for every index in [0, count) and returns when all are done; thread is
  // in [0, threads()). Every thread begins in its own share of neighbouring indices, the same share
  // of every call, so that what it wrote in one call is in its cache in the next; who is done with
  // it takes from the shares of others. Within a share indices are claimed one by one in ascending
  // order. Which thread runs an index is thus not determined, so a body may only write what its
  // index owns (and scratch of its thread).
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
  // Everything that a thread needs to begin with its share is in one cache line, on which the
  // share's threads spin. The ticket holds the job's number in the high half and the share's next
  // unclaimed index in the low half: one compare-and-swap both claims an index and proves that the
  // job read before it is still the current one.
  struct alignas(64) Share {
    std::atomic<uint64_t> ticket{0};
    std::atomic<Call> call{nullptr};
    std::atomic<void*> context{nullptr};
    std::atomic<uint64_t> end{0};
  };
  // More would only make a job dearer to post.
  static constexpr int kSharesMost = 8;

  Share& share_of(int thread);
  // Claims and runs indices of the current job until none is left.
  void work(int thread);
  // The same of one share; returns how many it ran.
  static int32_t work_in(Share& share, int thread);
  void serve(int thread);

  int threads_ = 1, shares_ = 1;
  std::array<Share, kSharesMost> share_;
  alignas(64) std::atomic<int32_t> unfinished_{0};
  alignas(64) std::atomic<uint32_t> wake_{0};  // raised with each job; sleepers wait on it
  std::atomic<int32_t> sleepers_{0};
  std::atomic<bool> stopping_{false};
  std::mutex turn_;
  std::vector<std::thread> workers_;
};

}  // namespace tessera
