#include "server/grpc/newest_events.h"

#include "gtest/gtest.h"

namespace tessera {
namespace {

TEST(NewestEvents, InOrderWhileNothingRepeats) {
  NewestEvents events(0);
  events.push(JobQueued{1});
  events.push(JobStep{1, 2, 0});
  events.push(JobResult{});
  EXPECT_TRUE(std::holds_alternative<JobQueued>(*events.pop()));
  EXPECT_TRUE(std::holds_alternative<JobStep>(*events.pop()));
  EXPECT_TRUE(std::holds_alternative<JobResult>(*events.pop()));
  EXPECT_FALSE(events.pop().has_value());
}

TEST(NewestEvents, OnlyTheNewestOfAKindWaits) {
  NewestEvents events(0);
  for (int32_t step = 1; step <= 1000; ++step) {
    events.push(JobStep{step, 1000, 0});
    events.push(JobPreview{step, {}});
    events.push(JobQueued{step});
  }
  EXPECT_EQ(events.size(), 3u);
  EXPECT_EQ(std::get<JobStep>(*events.pop()).step, 1000);
  EXPECT_EQ(std::get<JobPreview>(*events.pop()).step, 1000);
  events.clear();
  EXPECT_FALSE(events.pop().has_value());
}

}  // namespace
}  // namespace tessera
