#include "kernels/core/stream.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "kernels/cpu/execution.h"
#include "kernels/ops/table.h"

namespace tessera {
namespace {

Stream make_stream(size_t ring_bytes) {
  static const OpTable copies_only = [] {
    OpTable table;
    table.copies.in = [](Execution&, void* device, const std::byte* host, size_t bytes) {
      std::memcpy(device, host, bytes);
    };
    table.copies.out = [](Execution&, std::byte* host, const void* device, size_t bytes) {
      std::memcpy(host, device, bytes);
    };
    return table;
  }();
  return Stream(copies_only, ring_bytes);
}

struct Append {
  std::vector<int>* log;
  int value;
};
Progress append_value(Execution&, const Append& args) {
  args.log->push_back(args.value);
  return Progress::kDone;
}

template <int kBytes>
struct Sized {
  std::vector<int>* log;
  int value;
  char filler[kBytes];
};
template <int kBytes>
Progress append_sized(Execution&, const Sized<kBytes>& args) {
  args.log->push_back(args.filler[kBytes - 1] == static_cast<char>(args.value) ? args.value : -1);
  return Progress::kDone;
}
template <int kBytes>
void submit_sized(Stream& stream, std::vector<int>& log, int value) {
  Sized<kBytes> args{&log, value, {}};
  std::memset(args.filler, value, kBytes);
  stream.submit(append_sized<kBytes>, args);
}

class StreamTest : public testing::Test {
 protected:
  ComputePool pool_{1};
  Execution execution_{pool_, IsaLevel::kScalar};
};

TEST_F(StreamTest, RunsInOrderAndCountsRetirements) {
  Stream stream = make_stream(Stream::kSmallestRing);
  std::vector<int> log;
  for (int value = 0; value < 10; ++value) stream.submit(append_value, Append{&log, value});
  const Fence fence = stream.record();
  EXPECT_EQ(fence, 10u);
  EXPECT_FALSE(stream.done(fence));
  EXPECT_TRUE(log.empty());
  EXPECT_EQ(stream.run_some(execution_, 4), 4);
  EXPECT_FALSE(stream.idle());
  EXPECT_EQ(stream.run_some(execution_, 100), 6);
  EXPECT_TRUE(stream.done(fence));
  EXPECT_TRUE(stream.idle());
  EXPECT_EQ(log, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST_F(StreamTest, CommandsOfAllSizesWrapAround) {
  Stream stream = make_stream(Stream::kSmallestRing);
  std::vector<int> log;
  std::mt19937 random(1);
  int next = 0;
  for (int round = 0; round < 3000; ++round) {
    const int batch = static_cast<int>(random() % 2) + 1;  // always fits
    for (int command = 0; command < batch; ++command) {
      const int value = next++ % 100;
      switch (random() % 4) {
        case 0:
          submit_sized<1>(stream, log, value);
          break;
        case 1:
          submit_sized<100>(stream, log, value);
          break;
        case 2:
          submit_sized<333>(stream, log, value);
          break;
        default:
          submit_sized<1000>(stream, log, value);
      }
    }
    stream.run_some(execution_, 100);
  }
  ASSERT_EQ(log.size(), static_cast<size_t>(next));
  for (int index = 0; index < next; ++index) ASSERT_EQ(log[index], index % 100);
}

TEST_F(StreamTest, StampsTellWhenTheLaneCameBy) {
  Stream stream = make_stream(Stream::kSmallestRing);
  const std::chrono::steady_clock::time_point appended = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point first, second;
  stream.stamp(&first);
  stream.stamp(&second);
  EXPECT_EQ(first.time_since_epoch().count(), 0);
  stream.run_some(execution_, 1);
  EXPECT_GE(first, appended);
  EXPECT_EQ(second.time_since_epoch().count(), 0);
  stream.run_some(execution_, 1);
  EXPECT_GE(second, first);
}

struct Blocked {
  int* refusals;
  int* runs;
};
Progress refuse(Execution&, const Blocked& args) {
  if (*args.refusals > 0) {
    --*args.refusals;
    return Progress::kBlocked;
  }
  ++*args.runs;
  return Progress::kDone;
}

TEST_F(StreamTest, BlockedCommandIsCalledAgain) {
  Stream stream = make_stream(Stream::kSmallestRing);
  int refusals = 2, runs = 0;
  std::vector<int> log;
  stream.submit(refuse, Blocked{&refusals, &runs});
  stream.submit(append_value, Append{&log, 5});
  EXPECT_EQ(stream.run_some(execution_, 10), 0);
  EXPECT_EQ(stream.run_some(execution_, 10), 0);
  EXPECT_TRUE(log.empty());
  EXPECT_EQ(stream.run_some(execution_, 10), 2);
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(log, std::vector<int>{5});
}

TEST_F(StreamTest, CopiesLargerThanTheRing) {
  Stream stream = make_stream(Stream::kSmallestRing);
  std::vector<uint32_t> device(50000), sent(50000), received(50000);
  std::mt19937 random(2);
  for (uint32_t& value : sent) value = static_cast<uint32_t>(random());
  const Tensor tensor = make_tensor(device.data(), DType::kI32, {50, 1000});
  std::atomic<bool> stop{false};
  std::thread lane([&] {
    while (!stop.load()) stream.run_some(execution_, 3);
  });
  stream.upload(tensor, std::span<const uint32_t>(sent));
  stream.download(tensor, std::as_writable_bytes(std::span(received)));
  stream.wait(stream.record());
  stop = true;
  lane.join();
  EXPECT_EQ(received, sent);
}

TEST_F(StreamTest, FullRingMakesTheOwnerWaitAndLosesNothing) {
  Stream stream = make_stream(Stream::kSmallestRing);
  std::vector<int> log;
  constexpr int kCommands = 20000;
  std::atomic<bool> stop{false};
  std::thread lane([&] {
    std::mt19937 random(3);
    while (!stop.load()) {
      stream.run_some(execution_, static_cast<int>(random() % 20));
      if (random() % 64 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  });
  for (int value = 0; value < kCommands; ++value) {
    stream.submit(append_value, Append{&log, value});
    if (value % 5000 == 0) stream.wait(stream.record());
  }
  stream.wait(stream.record());
  stop = true;
  lane.join();
  ASSERT_EQ(log.size(), static_cast<size_t>(kCommands));
  for (int value = 0; value < kCommands; ++value) ASSERT_EQ(log[value], value);
}

TEST_F(StreamTest, CommandsRunWithSubnormalsFlushed) {
  Stream stream = make_stream(Stream::kSmallestRing);
  struct Halve {
    volatile float* value;
  };
  volatile float value = 0x1p-126f;
  stream.submit<Halve>(
      [](Execution&, const Halve& args) {
        *args.value = *args.value * 0.5f;
        return Progress::kDone;
      },
      Halve{&value});
  stream.run_some(execution_, 1);
  EXPECT_EQ(value, 0.f);
  value = 0x1p-126f;
  value = value * 0.5f;
  EXPECT_NE(value, 0.f);  // the caller's own mode is as before
}

using StreamDeathTest = StreamTest;

TEST_F(StreamDeathTest, CopiesMustMatchTheirTensor) {
  Stream stream = make_stream(Stream::kSmallestRing);
  std::vector<float> memory(12);
  const Tensor tensor = make_tensor(memory.data(), DType::kF32, {3, 4});
  const std::vector<float> short_by_one(11);
  EXPECT_DEATH(stream.upload(tensor, std::span<const float>(short_by_one)), "check failed");
  const std::vector<float> two_columns(6);
  EXPECT_DEATH(stream.upload(tensor.columns(0, 2), std::span<const float>(two_columns)),
               "check failed");
}

}  // namespace
}  // namespace tessera
