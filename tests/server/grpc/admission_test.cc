#include "server/grpc/admission.h"

#include <atomic>
#include <future>

#include "gtest/gtest.h"

namespace tessera {
namespace {

TEST(Admission, RunsEverythingItTook) {
  std::atomic<int> ran{0};
  {
    Admission admission(2, 1000);
    for (int work = 0; work < 1000; ++work) {
      while (!admission.submit([&] { ++ran; })) {
      }
    }
  }
  EXPECT_EQ(ran, 1000);
}

TEST(Admission, RefusesBeyondItsBound) {
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::promise<void> started;
  Admission admission(1, 2);
  ASSERT_TRUE(admission.submit([&] {
    started.set_value();
    released.wait();
  }));
  started.get_future().wait();
  EXPECT_TRUE(admission.submit([] {}));
  EXPECT_TRUE(admission.submit([] {}));
  EXPECT_FALSE(admission.submit([] {}));
  release.set_value();
}

}  // namespace
}  // namespace tessera
