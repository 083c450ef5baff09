#include "server/lifecycle/signals.h"

#include <signal.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace tessera {
namespace {

TEST(Signals, TheFirstIsAnEvent) {
  Signals signals;
  EXPECT_FALSE(signals.arrived());
  kill(getpid(), SIGTERM);
  EXPECT_EQ(signals.wait(), SIGTERM);
  EXPECT_TRUE(signals.arrived());
}

TEST(SignalsDeathTest, TheSecondEndsAtOnce) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        Signals signals;
        kill(getpid(), SIGINT);
        signals.wait();
        kill(getpid(), SIGTERM);
        for (;;) pause();
      },
      testing::ExitedWithCode(128 + SIGTERM), "");
}

}  // namespace
}  // namespace tessera
