#include "server/lifecycle/signals.h"

#include <signal.h>
#include <unistd.h>

#include "gtest/gtest.h"

namespace tessera {
namespace {

// As in the daemon, where nothing starts a thread before Signals blocks them: a thread that another
// test left behind would be given the signal, and the process would end.
const bool kBlockedFromTheStart = [] {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR2}) sigaddset(&set, signal);
  return pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0;
}();

TEST(Signals, TheFirstIsAnEvent) {
  ASSERT_TRUE(kBlockedFromTheStart);
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
