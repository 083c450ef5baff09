// Every task once, and the first error.
#include "tools/bench/diffusion/at_once.h"

#include <atomic>
#include <vector>

#include "gtest/gtest.h"

namespace tessera {
namespace {

TEST(RunAtOnce, CallsEveryTaskOnce) {
  std::vector<std::atomic<int>> calls(50);
  ASSERT_TRUE(run_at_once(50, 4, [&](int task) {
                ++calls[task];
                return absl::OkStatus();
              }).ok());
  for (const auto& count : calls) EXPECT_EQ(count, 1);
  EXPECT_TRUE(run_at_once(0, 4, [](int) { return absl::InternalError("none"); }).ok());
}

TEST(RunAtOnce, StopsAtTheFirstError) {
  std::atomic<int> calls{0};
  const absl::Status status = run_at_once(1000, 2, [&](int task) {
    ++calls;
    return task == 3 ? absl::NotFoundError("three") : absl::OkStatus();
  });
  EXPECT_EQ(status.message(), "three");
  EXPECT_LT(calls, 1000);
}

}  // namespace
}  // namespace tessera
