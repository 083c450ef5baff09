#include "server/grpc/denoise_messages.h"

#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tessera {
namespace {

using testing::ElementsAre;
using testing::StartsWith;

constexpr size_t kMessageMax = 1 << 20;
constexpr char kPngHead[] = "\x89PNG\r\n";

std::vector<v1::DenoiseEvent> wire(DiffusionEvent event, DiffusionWork work, bool png,
                                   bool latents = false, bool whole_horizon = false) {
  DenoiseMessages messages("r1", {work, png, latents, whole_horizon});
  messages.load(std::move(event));
  std::vector<v1::DenoiseEvent> all;
  while (!messages.done()) {
    messages.next(all.emplace_back());
    EXPECT_EQ(all.back().request_id(), "r1");
    EXPECT_LE(all.back().ByteSizeLong(), kMessageMax);
  }
  return all;
}

// Values 0, 1, 2, ... of a hundredth each.
FloatArray counted(std::vector<int64_t> shape) {
  FloatArray array;
  int64_t elements = 1;
  for (const int64_t extent : shape) elements *= extent;
  array.shape = std::move(shape);
  for (int64_t at = 0; at < elements; ++at) array.values.push_back(0.01f * static_cast<float>(at));
  return array;
}

// The outputs that parts put together make, by sample and frame.
std::map<std::pair<int, int>, std::string> outputs(const std::vector<v1::DenoiseEvent>& events) {
  std::map<std::pair<int, int>, std::string> all;
  for (const auto& event : events) {
    if (!event.has_result()) continue;
    std::string& bytes = all[{event.result().sample(), event.result().frame()}];
    EXPECT_EQ(event.result().offset(), static_cast<int64_t>(bytes.size()));
    bytes += event.result().data();
    EXPECT_LE(bytes.size(), static_cast<size_t>(event.result().total_bytes()));
  }
  return all;
}

TEST(DenoiseMessages, PositionAndStep) {
  const auto queued = wire(JobQueued{3}, DiffusionWork::kImage, true);
  ASSERT_EQ(queued.size(), 1u);
  EXPECT_EQ(queued[0].queued().position(), 3);
  const auto step = wire(JobStep{2, 20, 950.5}, DiffusionWork::kImage, true);
  EXPECT_EQ(step[0].step().step(), 2);
  EXPECT_EQ(step[0].step().steps(), 20);
  EXPECT_EQ(step[0].step().timestep(), 950.5);
}

TEST(DenoiseMessages, EachPictureIsAFile) {
  JobResult result;
  result.values = counted({2, 3, 4, 5});
  result.summary = {.computed = 10, .kept = 4, .reused = 5, .feature_bytes_most = 99};
  result.timings.decode_seconds = 0.25;
  result.notes = {"a range had no effect", "\xff"};
  const auto events = wire(result, DiffusionWork::kImage, true);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].result().content_type(), "image/png");
  EXPECT_FALSE(events[0].result().has_frame());
  EXPECT_TRUE(events[0].result().shape().empty());
  const auto files = outputs(events);
  ASSERT_EQ(files.size(), 2u);
  EXPECT_THAT(files.at({1, 0}), StartsWith(kPngHead));
  EXPECT_EQ(events[2].completed().usage().branches_reused(), 5);
  EXPECT_EQ(events[2].completed().usage().branches_kept(), 4);
  EXPECT_EQ(events[2].completed().usage().feature_bytes_most(), 99);
  EXPECT_EQ(events[2].completed().timings().decode_seconds(), 0.25);
  EXPECT_THAT(events[2].completed().notes(), ElementsAre("a range had no effect", "?"));
}

TEST(DenoiseMessages, EachFrameIsAFile) {
  JobResult result;
  result.values = counted({2, 3, 3, 4, 4});
  const auto events = wire(result, DiffusionWork::kVideo, true);
  const auto files = outputs(events);
  ASSERT_EQ(files.size(), 6u);
  EXPECT_THAT(files.at({1, 2}), StartsWith(kPngHead));
  EXPECT_NE(files.at({0, 0}), files.at({0, 1}));
}

TEST(DenoiseMessages, LargeTensorsAreCutAndWhole) {
  JobResult result;
  result.values = counted({2, 3, 300, 301});
  const auto events = wire(result, DiffusionWork::kImage, false);
  EXPECT_GT(events.size(), 5u);
  EXPECT_EQ(events[0].result().content_type(), "application/x-tensor-f32");
  EXPECT_THAT(events[0].result().shape(), ElementsAre(3, 300, 301));
  const auto tensors = outputs(events);
  ASSERT_EQ(tensors.size(), 2u);
  const size_t bytes = sizeof(float) * 3 * 300 * 301;
  for (int sample : {0, 1}) {
    ASSERT_EQ(tensors.at({sample, 0}).size(), bytes);
    EXPECT_EQ(std::memcmp(tensors.at({sample, 0}).data(),
                          result.values.values.data() + sample * bytes / sizeof(float), bytes),
              0);
  }
}

TEST(DenoiseMessages, LatentsAreTensorsEvenWithThreeChannels) {
  JobResult result;
  result.values = counted({1, 3, 4, 4});
  const auto events = wire(result, DiffusionWork::kImage, true, /*latents=*/true);
  EXPECT_EQ(events[0].result().content_type(), "application/x-tensor-f32");
}

TEST(DenoiseMessages, PreviewsTellTheirStepAndSamples) {
  const auto events = wire(JobPreview{7, counted({2, 3, 4, 4}), 3}, DiffusionWork::kImage, true);
  ASSERT_EQ(events.size(), 2u);
  for (const auto& event : events) EXPECT_EQ(event.preview().step(), 7);
  EXPECT_EQ(events[0].preview().sample(), 3);
  EXPECT_EQ(events[1].preview().sample(), 4);
}

TEST(DenoiseMessages, ActionsAreNumbers) {
  JobResult result;
  result.values = counted({2, 3, 2});
  const auto events = wire(result, DiffusionWork::kAction, true);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[1].actions().sample(), 1);
  EXPECT_THAT(events[1].actions().values().shape(), ElementsAre(3, 2));
  EXPECT_FLOAT_EQ(events[1].actions().values().values(0), 0.06f);
}

TEST(DenoiseMessages, OnlyActionsToBeExecutedUnlessAllAreAskedFor) {
  JobResult result;
  result.values = counted({2, 5, 2});
  result.first_action = 1;
  result.action_count = 3;
  const auto some = wire(result, DiffusionWork::kAction, true);
  ASSERT_EQ(some.size(), 3u);
  EXPECT_EQ(some[1].actions().first_step(), 0);
  EXPECT_EQ(some[1].actions().horizon_step(), 1);
  EXPECT_THAT(some[1].actions().values().shape(), ElementsAre(3, 2));
  EXPECT_FLOAT_EQ(some[1].actions().values().values(0), 0.12f);
  const auto all = wire(result, DiffusionWork::kAction, true, false, /*whole_horizon=*/true);
  EXPECT_THAT(all[0].actions().values().shape(), ElementsAre(5, 2));
}

TEST(DenoiseMessages, LongActionsAreCutByRows) {
  JobResult result;
  result.values = counted({1, 1000, 300});
  const auto events = wire(result, DiffusionWork::kAction, true);
  int64_t rows = 0;
  for (const auto& event : events) {
    if (!event.has_actions()) continue;
    EXPECT_EQ(event.actions().first_step(), rows);
    rows += event.actions().values().shape(0);
    EXPECT_EQ(event.actions().values().values_size(), 300 * event.actions().values().shape(0));
  }
  EXPECT_EQ(rows, 1000);
  EXPECT_GT(events.size(), 2u);
}

TEST(DenoiseMessages, TraceIsCutByStepsAndWhole) {
  JobResult result;
  result.values = counted({1, 3, 1, 1});
  for (int step = 0; step < 50; ++step)
    result.trace.emplace_back(50000, static_cast<char>('A' + step % 20));
  std::vector<std::string> told;
  for (const auto& event : wire(result, DiffusionWork::kImage, true)) {
    if (!event.has_trace()) continue;
    EXPECT_EQ(event.trace().first_step(), static_cast<int32_t>(told.size()));
    told.insert(told.end(), event.trace().steps().begin(), event.trace().steps().end());
  }
  EXPECT_EQ(told, result.trace);
}

TEST(DenoiseMessages, FailureKeepsItsCode) {
  const auto events =
      wire(JobFailed{absl::InternalError("a step \xff failed")}, DiffusionWork::kImage, true);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].failed().code(), 13);
  EXPECT_EQ(events[0].failed().message(), "a step ? failed");
}

}  // namespace
}  // namespace tessera
