#include "engine/batch/step_plan.h"

#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

StepPlan small_plan() {
  StepPlan plan;
  plan.id = 7;
  plan.references = {5, 6, -1};
  plan.slots = {0, 0, 1};
  plan.positions = {14, 15, 3};
  Segment prompt, decode;
  prompt.row_count = 2;
  decode.row_begin = 2;
  decode.row_count = 1;
  decode.slot = 1;
  decode.kind = SegmentKind::kDecode;
  plan.segments = {prompt, decode};
  GroupPlan group;
  group.kv_slots = {14, 15, 35};
  group.page_begin = {0, 1};
  group.pages = {0, 2};
  group.tail_begin = group.tail_stride = {0, 0};
  plan.groups = {group};
  plan.states = {{-1, 3}, {2, 3}, {}, {4}, {5}};
  plan.verdicts = {{Verdict::kRun, Verdict::kRun}};
  plan.logit_rows = {1, 2};
  SampleRow first{}, second{};
  second.logits_row = 1;
  plan.samples = {first, second};
  plan.bias_ids = {3};
  plan.bias_values = {1.5f};
  return plan;
}

TEST(StepPlan, SurvivesTheWire) {
  const StepPlan plan = small_plan();
  const auto again = parse_step_plan(serialize(plan));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(serialize(*again), serialize(plan));
  EXPECT_EQ(again->references, plan.references);
  EXPECT_EQ(again->groups[0].pages, plan.groups[0].pages);
  EXPECT_EQ(again->states.from, plan.states.from);
  EXPECT_EQ(again->states.copy_to, plan.states.copy_to);
}

TEST(StepPlan, EveryTruncationIsRefused) {
  const std::vector<std::byte> bytes = serialize(small_plan());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(parse_step_plan(std::span(bytes).first(size)).ok()) << size;
  }
  std::vector<std::byte> longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(parse_step_plan(longer).ok());
}

TEST(StepPlan, RandomDamageNeverCrashes) {
  std::mt19937 random(5);
  const std::vector<std::byte> bytes = serialize(small_plan());
  int refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::byte> damaged = bytes;
    for (int hits = 1 + random() % 3; hits > 0; --hits) {
      damaged[random() % damaged.size()] = static_cast<std::byte>(random());
    }
    refused += parse_step_plan(damaged).ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 1000);
}

TEST(StepPlan, IndicesOutsideTheirArraysAreNamed) {
  const auto message_of = [](const std::function<void(StepPlan&)>& change) {
    StepPlan plan = small_plan();
    change(plan);
    return validate(plan).ToString();
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(message_of([](auto&) {}), HasSubstr("OK"));
  EXPECT_THAT(message_of([](auto& p) { p.segments[1].row_begin = 1; }), HasSubstr("in order"));
  EXPECT_THAT(message_of([](auto& p) { p.segments.pop_back(); }), HasSubstr("segment"));
  EXPECT_THAT(message_of([](auto& p) { p.logit_rows[0] = 3; }), HasSubstr("logit row"));
  EXPECT_THAT(message_of([](auto& p) { p.samples[0].bias_count = 2; }), HasSubstr("sample row"));
  EXPECT_THAT(message_of([](auto& p) { p.positions[2] = 40; }), HasSubstr("pages end"));
  EXPECT_THAT(message_of([](auto& p) { p.segments[0].verdict_row = 1; }), HasSubstr("verdict_row"));
  EXPECT_THAT(message_of([](auto& p) { p.states.to.pop_back(); }), HasSubstr("one per segment"));
  EXPECT_THAT(message_of([](auto& p) { p.states.to[0] = -1; }), HasSubstr("negative state slot"));
  EXPECT_THAT(message_of([](auto& p) { p.states.copy_to.clear(); }), HasSubstr("not pairs"));
  EXPECT_THAT(message_of([](auto& p) { p.states.node_slots = {1}; }), HasSubstr("one per node"));
  EXPECT_THAT(message_of([](auto& p) { p.segments[1].node_begin = 0; }), HasSubstr("tree nodes"));
  EXPECT_THAT(message_of([](auto& p) { p.trees.push_back({0, 9, 0, 0, 0}); }), HasSubstr("tree"));
}

}  // namespace
}  // namespace tessera
