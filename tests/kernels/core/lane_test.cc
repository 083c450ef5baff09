#include "kernels/core/lane.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

#include "kernels/core/meeting.h"
#include "kernels/cpu/execution.h"
#include "kernels/ops/table.h"

namespace tessera {
namespace {

const OpTable kNoOps;

struct Count {
  int64_t* counter;
  int64_t expected;
  int* errors;
};
Progress count(Execution&, const Count& args) {
  if (*args.counter != args.expected) ++*args.errors;
  ++*args.counter;
  return Progress::kDone;
}

class LaneTest : public testing::Test {
 protected:
  ComputePool pool_{1};
  Execution execution_{pool_, IsaLevel::kScalar};
};

TEST_F(LaneTest, ServesManyStreamsEachInOrder) {
  Lane lane(execution_);
  constexpr int kOwners = 4;
  std::vector<std::thread> owners;
  std::vector<int> errors(kOwners, 0);
  for (int owner = 0; owner < kOwners; ++owner) {
    owners.emplace_back([&, owner] {
      for (int life = 0; life < 5; ++life) {
        Stream stream(kNoOps, Stream::kSmallestRing);
        lane.attach(stream);
        int64_t counter = 0;
        for (int64_t index = 0; index < 2000; ++index) {
          stream.submit(count, Count{&counter, index, &errors[owner]});
          if (index % 97 == 0) {
            stream.wait(stream.record());
            if (counter != index + 1) ++errors[owner];
          }
        }
        lane.detach(stream);
        if (counter != 2000) ++errors[owner];
      }
    });
  }
  for (std::thread& owner : owners) owner.join();
  EXPECT_EQ(errors, std::vector<int>(kOwners, 0));
}

TEST_F(LaneTest, ABusyStreamDoesNotStarveAnother) {
  Lane lane(execution_);
  Stream busy(kNoOps, 1 << 20);
  Stream brief(kNoOps, Stream::kSmallestRing);
  lane.attach(busy);
  lane.attach(brief);
  struct Work {
    std::atomic<int>* left;
  };
  // More than a second of work, a hundred microseconds at a time.
  std::atomic<int> left{10000};
  for (int index = 0; index < 10000; ++index) {
    busy.submit<Work>(
        [](Execution&, const Work& args) {
          const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(100);
          while (args.left->load() > 1 && std::chrono::steady_clock::now() < end) continue;
          args.left->fetch_sub(1);
          return Progress::kDone;
        },
        Work{&left});
  }
  int64_t counter = 0;
  int errors = 0;
  brief.submit(count, Count{&counter, 0, &errors});
  brief.wait(brief.record());
  EXPECT_EQ(counter, 1);
  EXPECT_GT(left.load(), 0) << "the brief stream had to wait for all of the busy one's work";
  EXPECT_FALSE(busy.idle());
  lane.detach(brief);
  left.store(-100000);  // the rest passes at once
  lane.detach(busy);
}

struct Meet {
  Meeting* meeting;
  int rank;
  int64_t brings;
  int64_t* sum;
};

Progress meet(Execution&, const Meet& args) {
  return args.meeting->meet(args.rank, &args, [](std::span<const void* const> brought) {
    int64_t sum = 0;
    for (const void* one : brought) sum = sum * 31 + static_cast<const Meet*>(one)->brings;
    for (const void* one : brought) *static_cast<const Meet*>(one)->sum = sum;
  });
}

// `lanes` lanes serve `ranks` streams, whose owners submit rounds at their own pace.
void check_meetings(std::vector<Lane*> lanes, int ranks, int rounds) {
  Meeting meeting(ranks);
  std::vector<std::vector<int64_t>> sums(ranks, std::vector<int64_t>(rounds, -1));
  std::vector<std::thread> owners;
  for (int rank = 0; rank < ranks; ++rank) {
    owners.emplace_back([&, rank] {
      std::mt19937 random(static_cast<unsigned>(rank));
      Stream stream(kNoOps, Stream::kSmallestRing);
      Lane& lane = *lanes[static_cast<size_t>(rank) % lanes.size()];
      lane.attach(stream);
      for (int round = 0; round < rounds; ++round) {
        stream.submit(meet, Meet{&meeting, rank, round + rank, &sums[rank][round]});
        if (random() % 50 == 0) std::this_thread::sleep_for(std::chrono::microseconds(300));
      }
      lane.detach(stream);
    });
  }
  for (std::thread& owner : owners) owner.join();
  for (int round = 0; round < rounds; ++round) {
    int64_t expected = 0;
    for (int rank = 0; rank < ranks; ++rank) expected = expected * 31 + round + rank;
    for (int rank = 0; rank < ranks; ++rank) ASSERT_EQ(sums[rank][round], expected);
  }
}

TEST_F(LaneTest, RanksMeetOnOneLane) {
  Lane lane(execution_);
  check_meetings({&lane}, 3, 500);
}

TEST_F(LaneTest, RanksMeetAcrossLanes) {
  Execution second(pool_, IsaLevel::kScalar);
  Lane a(execution_), b(second);
  check_meetings({&a, &b}, 4, 500);
}

TEST_F(LaneTest, AMeetingOfOneNeverBlocks) {
  Lane lane(execution_);
  check_meetings({&lane}, 1, 10);
}

TEST_F(LaneTest, AMissingPeerBlocksOnlyItsGroup) {
  Lane lane(execution_);
  Meeting meeting(2);
  Stream waiting(kNoOps, Stream::kSmallestRing), free(kNoOps, Stream::kSmallestRing);
  lane.attach(waiting);
  lane.attach(free);
  int64_t sum = -1, late_sum = -1, counter = 0;
  int errors = 0;
  waiting.submit(meet, Meet{&meeting, 0, 1, &sum});
  for (int64_t index = 0; index < 50; ++index) {
    free.submit(count, Count{&counter, index, &errors});
    free.wait(free.record());
  }
  EXPECT_EQ(counter, 50);
  EXPECT_FALSE(waiting.idle());
  free.submit(meet, Meet{&meeting, 1, 2, &late_sum});
  waiting.wait(waiting.record());
  EXPECT_EQ(sum, 33);
  lane.detach(waiting);
  lane.detach(free);
}

}  // namespace
}  // namespace tessera
