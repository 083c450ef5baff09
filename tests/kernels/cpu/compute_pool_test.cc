#include "kernels/cpu/threads/compute_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "kernels/cpu/execution.h"

namespace tessera {
namespace {

TEST(ComputePool, RunsEveryIndexOnce) {
  for (const int threads : {1, 2, 5}) {
    ComputePool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const int64_t count : {0, 1, 2, 3, 7, 100}) {
      for (int round = 0; round < 50; ++round) {
        std::vector<int> runs(static_cast<size_t>(count), 0);
        std::atomic<int> bad_threads{0};
        pool.parallel_for(count, [&](int64_t index, int thread) {
          ++runs[static_cast<size_t>(index)];
          if (thread < 0 || thread >= threads) ++bad_threads;
        });
        ASSERT_EQ(runs, std::vector<int>(static_cast<size_t>(count), 1));
        ASSERT_EQ(bad_threads.load(), 0);
      }
    }
  }
}

TEST(ComputePool, EveryThreadBeginsInItsShare) {
  constexpr int kThreads = 3;
  ComputePool pool(kThreads);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::vector<int64_t>> claimed(kThreads);
    std::atomic<int> begun{0};
    pool.parallel_for(3000, [&](int64_t index, int thread) {
      if (claimed[thread].empty()) {
        ++begun;
        while (begun.load() < kThreads) std::this_thread::yield();  // nobody takes from another yet
      }
      claimed[thread].push_back(index);
    });
    for (int thread = 0; thread < kThreads; ++thread) {
      EXPECT_EQ(claimed[thread].front(), thread * 1000);
    }
  }
}

TEST(ComputePool, WhoIsDoneTakesFromTheOthers) {
  ComputePool pool(2);
  std::atomic<int> left{99};
  pool.parallel_for(100, [&](int64_t index, int) {
    if (index != 0) {
      --left;
      return;
    }
    while (left.load() > 0) std::this_thread::yield();  // forever, if nobody else ran the rest
  });
  EXPECT_EQ(left.load(), 0);
}

TEST(ComputePool, JobsOfChangingSizeBackToBack) {
  ComputePool pool(4);
  int64_t expected = 0;
  std::atomic<int64_t> sum{0};
  for (int job = 0; job < 20000; ++job) {
    const int64_t count = job % 9;
    expected += count * (job + 1);
    pool.parallel_for(count, [&sum, job](int64_t, int) { sum.fetch_add(job + 1); });
  }
  EXPECT_EQ(sum.load(), expected);
}

TEST(ComputePool, SleepersWakeUp) {
  ComputePool pool(2);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // far beyond the spin
    std::atomic<int> runs{0};
    pool.parallel_for(8, [&](int64_t, int) { ++runs; });
    ASSERT_EQ(runs.load(), 8);
  }
}

TEST(ComputePool, TwoLanesTakeTurns) {
  ComputePool pool(3);
  auto lane = [&pool](std::atomic<int64_t>& sum) {
    for (int job = 0; job < 500; ++job) {
      pool.parallel_for(5, [&](int64_t index, int) { sum.fetch_add(index); });
    }
  };
  std::atomic<int64_t> a{0}, b{0};
  std::thread other([&] { lane(a); });
  lane(b);
  other.join();
  EXPECT_EQ(a.load(), 5000);
  EXPECT_EQ(b.load(), 5000);
}

TEST(ComputePool, WorkersFlushSubnormals) {
  ComputePool pool(2);
  std::atomic<bool> other_seen{false};
  volatile float smallest = 0x1p-126f;
  float halved = 1;
  pool.parallel_for(2, [&](int64_t, int thread) {
    if (thread == 1) {
      halved = smallest * 0.5f;
      other_seen = true;
    } else {
      while (!other_seen.load()) std::this_thread::yield();
    }
  });
  EXPECT_EQ(halved, 0.f);
}

TEST(Execution, ScratchIsAlignedOwnAndStable) {
  ComputePool pool(2);
  Execution execution(pool, IsaLevel::kScalar);
  const std::span<std::byte> first = execution.scratch(0, 1000);
  const std::span<std::byte> second = execution.scratch(1, 1000);
  EXPECT_EQ(first.size(), 1000u);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first.data()) % 64, 0u);
  EXPECT_NE(first.data(), second.data());
  EXPECT_EQ(execution.scratch(0, 500).data(), first.data());
  const std::span<std::byte> grown = execution.scratch(0, 1 << 20);
  EXPECT_EQ(grown.size(), size_t{1} << 20);
  EXPECT_EQ(execution.scratch(0, 1 << 20).data(), grown.data());
}

}  // namespace
}  // namespace tessera
