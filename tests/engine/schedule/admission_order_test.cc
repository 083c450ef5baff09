#include "engine/schedule/admission_order.h"

#include <gtest/gtest.h>

#include <random>

#include "engine/schedule/snapshots.h"

namespace tessera {
namespace {

constexpr double kNone = 1e30;

TEST(AdmissionOrder, FcfsKnowsOnlyArrival) {
  const auto order = make_order("fcfs");
  const OrderKey early{.id = 9, .priority = 0, .arrival_seconds = 1, .deadline_seconds = kNone};
  const OrderKey late{.id = 3, .priority = 7, .arrival_seconds = 2, .deadline_seconds = 3};
  EXPECT_TRUE(goes_before(*order, early, late, 2));
  EXPECT_FALSE(goes_before(*order, late, early, 2));
}

TEST(AdmissionOrder, PriorityThenDeadlineThenArrivalThenId) {
  const auto order = make_order("priority");
  const OrderKey base{.id = 5, .priority = 1, .arrival_seconds = 10, .deadline_seconds = 50};
  const auto better = [&](auto change) {
    OrderKey other = base;
    change(other);
    return goes_before(*order, other, base, 11) && !goes_before(*order, base, other, 11);
  };
  EXPECT_TRUE(better([](OrderKey& key) {
    key.priority = 2;
    key.deadline_seconds = kNone;
  }));
  EXPECT_TRUE(better([](OrderKey& key) {
    key.deadline_seconds = 49;
    key.arrival_seconds = 11;
  }));
  EXPECT_TRUE(better([](OrderKey& key) {
    key.arrival_seconds = 9;
    key.id = 6;
  }));
  EXPECT_TRUE(better([](OrderKey& key) { key.id = 4; }));
}

TEST(AdmissionOrder, WhoWasPreemptedOftenGoesFirst) {
  const auto order = make_order("priority");
  OrderKey low{.id = 1, .priority = 0, .preemptions = 3, .deadline_seconds = kNone};
  const OrderKey high{.id = 2, .priority = 9, .preemptions = 0, .deadline_seconds = kNone};
  EXPECT_FALSE(goes_before(*order, low, high, 0));
  low.preemptions = 4;
  EXPECT_TRUE(goes_before(*order, low, high, 0));
}

TEST(AdmissionOrder, WaitingRaisesThePriority) {
  const auto order = make_order("priority", {{"aging_seconds", int64_t{10}}});
  const OrderKey low{.id = 1, .priority = 0, .arrival_seconds = 0, .deadline_seconds = kNone};
  const OrderKey high{.id = 2, .priority = 2, .arrival_seconds = 100, .deadline_seconds = kNone};
  EXPECT_FALSE(goes_before(*order, low, {.id = 2, .priority = 2, .arrival_seconds = 0}, 100));
  EXPECT_TRUE(goes_before(*order, low, high, 100));
  const auto never = make_order("priority", {{"aging_seconds", int64_t{0}}});
  EXPECT_FALSE(goes_before(*never, low, high, 100));
}

TEST(AdmissionOrder, IsATotalOrder) {
  std::mt19937 random(2);
  for (const char* name : {"fcfs", "priority"}) {
    const auto order = make_order(name);
    for (int round = 0; round < 20000; ++round) {
      OrderKey key[3];
      for (OrderKey& each : key) {
        each = {.id = 1 + random() % 4,
                .priority = static_cast<int32_t>(random() % 2),
                .preemptions = static_cast<int32_t>(random() % 6),
                .arrival_seconds = static_cast<double>(random() % 60),
                .deadline_seconds = static_cast<double>(random() % 3)};
      }
      const auto before = [&](int a, int b) { return goes_before(*order, key[a], key[b], 70); };
      ASSERT_FALSE(before(0, 0));
      ASSERT_FALSE(before(0, 1) && before(1, 0));
      if (before(0, 1) && before(1, 2)) {
        ASSERT_TRUE(before(0, 2));
      }
    }
  }
}

TEST(AdmissionOrder, BadParametersAreNamed) {
  const auto made = admission_orders().make("priority", {{"preemptions_max", int64_t{0}}});
  EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(made.status().message().find("priority.preemptions_max"), std::string::npos);
  EXPECT_EQ(admission_orders().make("lifo", {}).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace tessera
